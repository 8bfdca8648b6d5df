// The part of the page that recognises digits.
// It knows nothing of how they are recognised.

import { SIDE, image } from "./drawing.js";
import { Pad } from "./pad.js";
import { byId, element, guard } from "./page.js";

const TIMES = 30; // runs for one median

export class DigitsPanel {
  /**
   * @param {import("./engines.js").Engines} engines who computes.
   * @param {{digit: number, pixels: Float32Array}[]} samples digits for those who cannot draw.
   */
  constructor(engines, samples) {
    Object.assign(this, { engines, pixels: samples[0].pixels, turn: 0 });
    this.bars = Array.from({ length: 10 }, (_, digit) => this.addBar(digit));
    this.pad = new Pad(byId("pad"), (lines) => this.recognise(image(lines)), (words) => this.say(words));
    for (const sample of samples) byId("samples").append(this.sampleButton(sample));
    byId("pad-clear").onclick = () => this.clear();
    byId("digits-measure").onclick = guard("digits-status", () => this.measure());
    byId("digits-compare").onclick = guard("digits-status", () => this.compare());
    byId("digits-tools").disabled = false;
  }

  /** Recognises an image and shows the ten probabilities. */
  async recognise(pixels) {
    this.pixels = pixels;
    this.turn += 1;
    const { turn } = this;
    await guard("digits-status", async () => {
      const { probabilities } = await this.engines.withCurrent((engine) => engine.load("digits").then(() => engine.run(pixels)));
      if (turn === this.turn) this.display(probabilities); // a newer drawing has a newer answer
    })();
  }

  display(probabilities) {
    const best = probabilities.indexOf(Math.max(...probabilities));
    probabilities.forEach((probability, digit) => {
      const { bar, value, row } = this.bars[digit];
      bar.style.setProperty("--share", probability);
      value.textContent = percent(probability);
      row.classList.toggle("best", digit === best);
    });
    byId("digits-answer").textContent = String(best);
    this.say(`This looks like a ${best}: ${percent(probabilities[best])}.`);
  }

  async measure() {
    const { engine, result } = await this.engines.withCurrent(async (engine) => {
      await engine.load("digits");
      return { engine, result: await engine.run(this.pixels, TIMES) };
    });
    this.say(`${engine.label}: ${result.milliseconds.toFixed(2)} ms, the median of ${TIMES} runs after a warm-up.`);
    return result;
  }

  async compare() {
    if (!this.engines.can.adapter) {
      this.say("There is no graphics adapter to compare with: WebGPU cannot run here.");
      return;
    }
    const found = [];
    for (const provider of ["wasm", "webgpu"]) {
      const engine = this.engines.get(provider);
      await engine.load("digits");
      found.push(await engine.run(this.pixels, TIMES));
    }
    const [wasm, gpu] = found;
    const gap = Math.max(...wasm.probabilities.map((value, digit) => Math.abs(value - gpu.probabilities[digit])));
    this.say(
      `WebAssembly ${wasm.milliseconds.toFixed(2)} ms, WebGPU ${gpu.milliseconds.toFixed(2)} ms (medians of ${TIMES}). ` +
        `Largest difference between their probabilities: ${gap.toExponential(1)}.`,
    );
  }

  clear() {
    this.pad.clear();
    this.turn += 1;
    this.display(new Array(10).fill(0));
    byId("digits-answer").textContent = "–";
    this.say("The drawing area is empty.");
  }

  say(words) {
    byId("digits-status").textContent = words;
  }

  sampleButton({ digit, pixels }) {
    const button = element("button", { type: "button", textContent: String(digit), ariaLabel: `Sample: a handwritten ${digit}` });
    button.onclick = () => {
      this.pad.show(pixels, SIDE);
      this.recognise(pixels);
    };
    return button;
  }

  addBar(digit) {
    const bar = element("span", { className: "bar" });
    const value = element("td", { textContent: percent(0) });
    const row = element("tr", {}, element("th", { scope: "row", textContent: String(digit) }), element("td", {}, bar), value);
    byId("bars").append(row);
    return { bar, value, row };
  }
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
