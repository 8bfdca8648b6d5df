// The digit classifier: an image in, ten probabilities out.
// It knows nothing of the page.

import { json, load } from "./assets.js";
import { alone, median, open, session } from "./runtime.js";

const FOLDER = "models/digits/";
const SHAPE = [1, 1, 28, 28];
const WARM_UP = 3;

export class DigitsModel {
  constructor(ort, net) {
    this.ort = ort;
    this.net = net;
  }

  /** Loads the model. See `open` in runtime.js. */
  static async load(provider, threads, report) {
    const manifest = await json(`${FOLDER}manifest.json`);
    const [ort, file] = await Promise.all([
      open(provider, threads, report),
      load(`${FOLDER}model.onnx`, `sha256:${manifest.files["model.onnx"]}`, (...so) => report("digits", ...so)),
    ]);
    return new DigitsModel(ort, await session(ort, provider, file));
  }

  /**
   * Recognises a digit.
   * @param {Float32Array} pixels 28 x 28 values from 0 (paper) to 1 (ink), row by row.
   * @param {number} times how often to measure; the median is given.
   * @returns {Promise<{probabilities: number[], milliseconds: number}>}
   */
  async run(pixels, times) {
    const input = new this.ort.Tensor("float32", pixels, SHAPE);
    for (let warm = 0; warm < (times > 1 ? WARM_UP : 0); warm += 1) await this.once(input);
    const durations = [];
    let probabilities;
    for (let time = 0; time < times; time += 1) {
      const before = performance.now();
      probabilities = await this.once(input);
      durations.push(performance.now() - before);
    }
    return { probabilities, milliseconds: median(durations) };
  }

  async once(input) {
    const { probabilities } = await alone(() => this.net.run({ image: input }, ["probabilities"]));
    return Array.from(await probabilities.getData(true));
  }
}
