// The chat model: the very files that Foundry Local serves, run token by token with a key-value cache.
// It always takes the most likely token (greedy), and knows nothing of the page.

import { json, load } from "./assets.js";
import { alone, library, open, session } from "./runtime.js";

const ALIAS = "course-small";
const FOLDER = `models/${ALIAS}/`;
const USED = ["model.onnx", "model.onnx.data", "genai_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"];

export class ChatModel {
  constructor(ort, net, config, tokenizer, template, onGpu) {
    Object.assign(this, { ort, net, config, tokenizer, template, onGpu });
    this.ends = new Set([config.model.eos_token_id].flat());
  }

  /** Loads the model. See `open` in runtime.js. */
  static async load(provider, threads, report) {
    const [ort, files, { Tokenizer }, { Template }] = await Promise.all([
      open(provider, threads, report),
      fetchAll(report),
      library("@huggingface/tokenizers/dist/tokenizers.min.mjs"),
      library("@huggingface/jinja/dist/index.js"),
    ]);
    const text = (name) => new TextDecoder().decode(files[name]);
    const tokenizer = new Tokenizer(JSON.parse(text("tokenizer.json")), JSON.parse(text("tokenizer_config.json")));
    const onGpu = provider === "webgpu";
    const config = JSON.parse(text("genai_config.json"));
    const net = await session(ort, provider, files["model.onnx"], {
      externalData: [{ path: "model.onnx.data", data: files["model.onnx.data"] }],
      ...(onGpu && { preferredOutputLocation: outputs(config) }), // the cache stays on the GPU between two tokens
    });
    return new ChatModel(ort, net, config, tokenizer, new Template(text("chat_template.jinja")), onGpu);
  }

  /**
   * Answers.
   * @param {{role: string, content: string}[]} messages the conversation.
   * @param {number} limit tokens of the answer at most.
   * @param {(text: string) => void} onText called with each new piece of text.
   * @param {() => boolean} isStopped whether somebody has pressed Stop.
   */
  async generate(messages, limit, onText, isStopped) {
    const prompt = this.prompt(messages);
    const room = Math.min(limit, this.config.model.context_length - prompt.length);
    if (room < 1) throw new Error(`The conversation is too long for this model (${prompt.length} tokens). Start a new one.`);
    const began = performance.now();
    const ids = [];
    const times = [];
    const state = { past: this.empty(), seen: 0, shown: 0 };
    let reason = "length";
    let input = prompt;
    try {
      while (ids.length < room) {
        const next = await this.step(input, state);
        times.push(performance.now() - began);
        if (this.ends.has(next)) {
          reason = "stop";
          break;
        }
        ids.push(next);
        this.show(ids, state, onText);
        input = [next];
        await breathe(); // lets the message “interrupt” in
        if (isStopped()) {
          reason = "interrupted";
          break;
        }
      }
    } finally {
      release(state.past);
    }
    return this.report(prompt, ids, times, reason);
  }

  /** Gives the tokens of a conversation, as the chat template writes it. */
  prompt(messages) {
    const text = this.template.render({ messages, add_generation_prompt: true });
    return this.tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  async step(input, state) {
    const { ort, net } = this;
    const total = state.seen + input.length;
    const ones = (length, first) => BigInt64Array.from({ length }, (_, index) => BigInt(first(index)));
    const feeds = {
      input_ids: new ort.Tensor("int64", BigInt64Array.from(input, BigInt), [1, input.length]),
      attention_mask: new ort.Tensor("int64", ones(total, () => 1), [1, total]),
      position_ids: new ort.Tensor("int64", ones(input.length, (index) => state.seen + index), [1, input.length]),
      ...state.past,
    };
    const wanted = Object.fromEntries(net.inputNames.map((name) => [name, feeds[name]]));
    const found = await alone(() => net.run(wanted));
    const past = this.successor(found);
    release(state.past);
    Object.assign(state, { past, seen: total });
    return best(found.logits);
  }

  successor(found) {
    const past = {};
    for (const [from, to] of cacheNames(this.config)) past[to] = found[from];
    return past;
  }

  empty() {
    const { num_key_value_heads: heads, head_size: size } = this.config.model.decoder;
    const nothing = () => new this.ort.Tensor("float32", new Float32Array(0), [1, heads, 0, size]);
    return Object.fromEntries(cacheNames(this.config).map(([, to]) => [to, nothing()]));
  }

  show(ids, state, onText) {
    const text = this.tokenizer.decode(ids, { skip_special_tokens: true });
    if (text.endsWith("\uFFFD")) return; // half a character: its other bytes are in the next token
    if (text.length > state.shown) onText(text.slice(state.shown));
    state.shown = text.length;
  }

  report(prompt, ids, times, reason) {
    const seconds = times.at(-1) / 1000; // the wait for the first token included
    return {
      text: this.tokenizer.decode(ids, { skip_special_tokens: true }),
      ids,
      promptIds: prompt,
      reason,
      firstToken: times[0] / 1000,
      tokensPerSecond: ids.length / seconds,
    };
  }
}

async function fetchAll(report) {
  const manifest = (await json("models/manifest.json"))[ALIAS].files;
  const one = async (name) => [name, await load(FOLDER + name, `sha256:${manifest[name]}`, (...so) => report(name, ...so))];
  return Object.fromEntries(await Promise.all(USED.map(one)));
}

/** Gives pairs of names: an output of the cache, and the input that it becomes for the next token. */
function cacheNames({ model: { decoder } }) {
  const { inputs, outputs: given, num_hidden_layers: layers } = decoder;
  const kinds = [
    [given.present_key_names, inputs.past_key_names],
    [given.present_value_names, inputs.past_value_names],
  ];
  const named = (layer) => kinds.map((pair) => pair.map((pattern) => pattern.replace("%d", layer)));
  return Array.from({ length: layers }, (_, layer) => named(layer)).flat();
}

const outputs = (config) => Object.fromEntries([...cacheNames(config).map(([from]) => [from, "gpu-buffer"]), ["logits", "cpu"]]);

const release = (tensors) => Object.values(tensors).forEach((tensor) => tensor.dispose());

/** Gives the number of the largest value in the last row of logits [1, tokens, vocabulary]. */
function best({ data, dims }) {
  const start = data.length - dims.at(-1);
  let found = start;
  for (let index = start + 1; index < data.length; index += 1) if (data[index] > data[found]) found = index;
  return found - start;
}

/** Lets waiting messages of the worker be handled; setTimeout would cost 4 ms a token. */
function breathe() {
  return new Promise((resolve) => {
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(null);
  });
}
const channel = new MessageChannel();
