// One engine for each provider, and which of them is used: WebGPU until its device is lost, then WebAssembly.
// It knows nothing of models.

import { DeviceLost, Engine } from "./engine.js";

const LABELS = { wasm: "WebAssembly", webgpu: "WebGPU" };

export class Engines {
  /**
   * @param {object} can what the browser can do; see capabilities.js.
   * @param {"wasm" | "webgpu"} provider the one to use.
   * @param {(words: string) => void} onLost called, in words, when the graphics device was lost.
   * @param {(urls: string[]) => void} onRequests called with what workers have requested.
   */
  constructor(can, provider, onLost, onRequests) {
    Object.assign(this, { can, provider, onLost, onRequests });
    this.running = new Map();
  }

  /** Gives the engine of a provider; it starts when it is first asked for. */
  get(provider) {
    if (!this.running.has(provider)) {
      const engine = new Engine(provider, this.can.threads, () => this.lose(provider), this.onRequests);
      engine.label = LABELS[provider];
      this.running.set(provider, engine);
    }
    return this.running.get(provider);
  }

  /** Does something with the engine in use, and once more with WebAssembly when the graphics device is lost meanwhile. */
  async withCurrent(action) {
    try {
      return await action(this.get(this.provider));
    } catch (error) {
      if (!(error instanceof DeviceLost)) throw error;
      return action(this.get(this.provider));
    }
  }

  lose(provider) {
    this.running.delete(provider);
    if (this.provider !== "webgpu") return;
    this.provider = "wasm";
    this.onLost("The graphics device was lost. WebAssembly goes on in its place.");
  }
}
