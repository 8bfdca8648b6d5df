// The worker: everything that computes, away from the page's own thread.
// Protocol: check, load, run, generate, interrupt. Each message has an id, and each answer names it.

import { ChatModel } from "./chat-model.js";
import { DigitsModel } from "./digits-model.js";
import { describe } from "./capabilities.js";
import { watchRequests } from "./requests.js";
import { open } from "./runtime.js";

const KINDS = { digits: DigitsModel, chat: ChatModel };
const models = new Map();
const stopped = new Set();
let provider = "wasm";

const handlers = {
  check: () => describe(navigator.gpu),

  async load({ id, model, provider: wanted, threads }) {
    const began = performance.now();
    provider = wanted;
    const report = (file, bytes, total, cached) => tell(id, "progress", { file, bytes, total, cached });
    if (!models.has(model)) models.set(model, await KINDS[model].load(provider, threads, report));
    if (provider === "webgpu") await watchDevice(threads);
    return { provider, seconds: (performance.now() - began) / 1000 };
  },

  run: ({ pixels, times }) => loaded("digits").run(pixels, times),

  async generate({ id, messages, limit }) {
    const onText = (text) => tell(id, "text", { text });
    try {
      return await loaded("chat").generate(messages, limit, onText, () => stopped.has(id));
    } finally {
      stopped.delete(id);
    }
  },

  interrupt({ target }) {
    stopped.add(target);
  },
};

self.onmessage = async ({ data }) => {
  try {
    tell(data.id, "done", { result: await handlers[data.type](data) });
  } catch (error) {
    tell(data.id, "error", { message: error.message ?? String(error) });
  }
};

let watched = false;
async function watchDevice(threads) {
  if (watched) return;
  watched = true;
  const ort = await open("webgpu", threads, () => {});
  const device = await ort.env.webgpu.device;
  device.lost.then(({ reason, message }) => tell(null, "lost", { message: message || reason }));
}

function loaded(name) {
  const model = models.get(name);
  if (!model) throw new Error(`The model ${name} is not loaded yet.`);
  return model;
}

watchRequests((urls) => tell(null, "requests", { urls }));

function tell(id, type, what) {
  self.postMessage({ id, type, ...what });
}
