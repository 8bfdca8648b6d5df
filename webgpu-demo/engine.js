// The page's side of the worker: calls that answer, progress, and what happens when the graphics device is lost.
// It knows nothing of the page.

/** The graphics device has gone; what was running on it has no answer. */
export class DeviceLost extends Error {}

export class Engine {
  /**
   * Starts a worker for one provider.
   * @param {"wasm" | "webgpu"} provider who computes.
   * @param {number} threads how many threads WebAssembly may use.
   * @param {(message: string) => void} onLost called when the graphics device is lost; the engine is then of no use.
   * @param {(urls: string[]) => void} onRequests called with what the worker has requested.
   */
  constructor(provider, threads, onLost, onRequests) {
    Object.assign(this, { provider, threads, onLost, onRequests });
    this.calls = new Map();
    this.loading = new Map();
    this.last = 0;
    this.worker = new Worker("worker.js", { type: "module" });
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = (event) => this.fail(new Error(`The worker did not start: ${event.message ?? "see the console"}`));
  }

  /**
   * Loads a model, once.
   * @param {"digits" | "chat"} model which one.
   * @param {(progress: {file: string, bytes: number, total: number, cached: boolean}) => void} onProgress while bytes arrive.
   * @returns {Promise<{provider: string, seconds: number}>}
   */
  load(model, onProgress = () => {}) {
    if (!this.loading.has(model)) {
      const promise = this.call("load", { model, provider: this.provider, threads: this.threads }, { progress: onProgress });
      promise.catch(() => this.loading.delete(model)); // so that “Try again” tries again
      this.loading.set(model, promise);
    }
    return this.loading.get(model);
  }

  /** Recognises a digit; see `DigitsModel.run`. */
  run(pixels, times = 1) {
    return this.call("run", { pixels, times });
  }

  /**
   * Answers; see `ChatModel.generate`.
   * @returns {{answer: Promise<object>, stop: () => void}}
   */
  generate(messages, limit, onText) {
    const answer = this.call("generate", { messages, limit }, { text: ({ text }) => onText(text) });
    const target = this.last;
    return { answer, stop: () => this.call("interrupt", { target }) };
  }

  /** Sends a message of the protocol and gives its answer. */
  call(type, what = {}, on = {}) {
    this.last += 1;
    const id = this.last;
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject, on });
      this.worker.postMessage({ id, type, ...what });
    });
  }

  receive({ id, type, ...what }) {
    if (type === "lost") this.lose(what.message);
    else if (type === "requests") this.onRequests(what.urls);
    else if (type === "done") this.settle(id, (call) => call.resolve(what.result));
    else if (type === "error") this.settle(id, (call) => call.reject(new Error(what.message)));
    else this.calls.get(id)?.on[type]?.(what);
  }

  settle(id, how) {
    const call = this.calls.get(id);
    this.calls.delete(id);
    if (call) how(call);
  }

  lose(message) {
    this.fail(new DeviceLost(message));
    this.worker.terminate();
    this.onLost(message);
  }

  fail(error) {
    for (const { reject } of this.calls.values()) reject(error);
    this.calls.clear();
  }
}
