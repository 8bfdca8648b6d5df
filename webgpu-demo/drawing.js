// Lines become an image of 28 x 28, as labkit/training/digits/strokes.py does it in Python.
// It knows nothing of the canvas.

export const SIDE = 28; // pixels
const INK = 20; // pixels that the longer side of a digit takes
const WIDTH = 2.4; // pixels of a stroke
const NOTHING = 1e-6;

/**
 * Gives the image of lines: scaled to the size that the model was trained on, its ink in the middle.
 * @param {[number, number][][]} lines points in any unit.
 * @returns {Float32Array} 28 x 28 values from 0 (paper) to 1 (ink), row by row.
 */
export function image(lines) {
  const points = lines.flat();
  const span = [0, 1].map((axis) => {
    const values = points.map((point) => point[axis]);
    return Math.max(...values) - Math.min(...values);
  });
  const scale = (INK - WIDTH) / Math.max(...span, NOTHING);
  const segments = lines.flatMap((line) => pairs(line.map(([x, y]) => [x * scale, y * scale])));
  return render(segments, middle(segments));
}

/** Gives a line's neighbouring points; a single point is its own neighbour. */
function pairs(line) {
  return line.length === 1 ? [[line[0], line[0]]] : line.slice(1).map((point, index) => [line[index], point]);
}

/** Gives the centre of ink: the mean of the segments, weighted by length. */
function middle(segments) {
  let mass = 0;
  let x = 0;
  let y = 0;
  for (const [[ax, ay], [bx, by]] of segments) {
    const length = Math.hypot(bx - ax, by - ay) + NOTHING;
    mass += length;
    x += (length * (ax + bx)) / 2;
    y += (length * (ay + by)) / 2;
  }
  return [x / mass - SIDE / 2, y / mass - SIDE / 2];
}

function render(segments, [left, top]) {
  const pixels = new Float32Array(SIDE * SIDE);
  for (let index = 0; index < pixels.length; index += 1) {
    const point = [(index % SIDE) + 0.5 + left, Math.floor(index / SIDE) + 0.5 + top];
    const nearest = Math.min(...segments.map((segment) => distance(point, segment)));
    pixels[index] = Math.min(1, Math.max(0, WIDTH / 2 + 0.5 - nearest));
  }
  return pixels;
}

function distance([x, y], [[ax, ay], [bx, by]]) {
  const dx = bx - ax;
  const dy = by - ay;
  const along = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / Math.max(dx * dx + dy * dy, 1e-9)));
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}
