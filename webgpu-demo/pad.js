// The drawing area: lines by mouse, touch, pen or keyboard.
// It knows nothing of digits.

const STEP = 14; // pixels that an arrow key moves the pen
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const CLOSE = 2; // pixels: points that are closer say nothing new

export class Pad {
  /**
   * @param {HTMLCanvasElement} canvas where to draw.
   * @param {(lines: [number, number][][]) => void} onChange called when a stroke has grown or ended.
   * @param {(words: string) => void} onPen called with what the keyboard's pen does, in words.
   */
  constructor(canvas, onChange, onPen) {
    Object.assign(this, { canvas, onChange, onPen, lines: [], picture: null });
    this.pen = { x: canvas.width / 2, y: canvas.height / 4, isDown: false, isShown: false };
    this.stroke = null;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.lift());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.hidePen());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    this.paint();
  }

  /** Takes everything away. */
  clear() {
    this.lines = [];
    this.picture = null;
    this.stroke = null;
    this.pen.isDown = false;
    this.paint();
  }

  /** Shows an image of values from 0 to 1 instead of lines. */
  show(pixels, side) {
    this.clear();
    this.picture = { pixels, side };
    this.paint();
  }

  press(event) {
    event.preventDefault();
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.begin(this.place(event));
  }

  move(event) {
    if (!this.stroke || !event.buttons) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) this.extend(this.place(each));
    this.paint();
  }

  lift() {
    if (this.stroke) this.onChange(this.lines);
    this.stroke = null;
  }

  key(event) {
    const { pen } = this;
    if (event.key === " ") {
      event.preventDefault();
      this.toggle();
    } else if (MOVES[event.key]) {
      event.preventDefault();
      const [dx, dy] = MOVES[event.key];
      pen.x = within(pen.x + dx * STEP, this.canvas.width);
      pen.y = within(pen.y + dy * STEP, this.canvas.height);
      pen.isShown = true;
      if (pen.isDown) {
        this.extend([pen.x, pen.y]);
        this.onChange(this.lines);
      }
      this.paint();
    }
  }

  toggle() {
    const { pen } = this;
    Object.assign(pen, { isDown: !pen.isDown, isShown: true });
    if (pen.isDown) this.begin([pen.x, pen.y]);
    else this.lift();
    this.paint();
    this.onPen(pen.isDown ? "Pen down." : "Pen up.");
  }

  hidePen() {
    Object.assign(this.pen, { isShown: false, isDown: false });
    this.stroke = null;
    this.paint();
  }

  begin(point) {
    if (this.picture) this.clear();
    this.stroke = [point];
    this.lines.push(this.stroke);
    this.paint();
  }

  extend(point) {
    const last = this.stroke.at(-1);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= CLOSE) this.stroke.push(point);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.canvas;
    return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
  }

  paint() {
    const { canvas, pen } = this;
    const context = canvas.getContext("2d");
    const ink = getComputedStyle(canvas).color;
    context.clearRect(0, 0, canvas.width, canvas.height);
    Object.assign(context, { strokeStyle: ink, fillStyle: ink, lineWidth: 16, lineCap: "round", lineJoin: "round" });
    if (this.picture) this.paintPicture(context);
    for (const line of this.lines) drawLine(context, line);
    if (pen.isShown) drawPen(context, pen);
  }

  paintPicture(context) {
    const { pixels, side } = this.picture;
    const size = this.canvas.width / side;
    pixels.forEach((value, index) => {
      context.globalAlpha = value;
      context.fillRect((index % side) * size, Math.floor(index / side) * size, size, size);
    });
    context.globalAlpha = 1;
  }
}

function drawLine(context, line) {
  context.beginPath();
  context.moveTo(...line[0]);
  for (const point of line.slice(1)) context.lineTo(...point);
  if (line.length === 1) context.lineTo(line[0][0] + 0.1, line[0][1]);
  context.stroke();
}

function drawPen(context, { x, y, isDown }) {
  Object.assign(context, { lineWidth: 3, strokeStyle: isDown ? "#d55e00" : "#0072b2" });
  context.beginPath();
  context.arc(x, y, 12, 0, 2 * Math.PI);
  context.stroke();
}

const within = (value, size) => Math.min(size, Math.max(0, value));
