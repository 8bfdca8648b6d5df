// Writes libraries.json: which files of the installed npm packages the page uses, with sizes and SHA-384.
// Run it with `npm run integrity` after a version in package.json has changed.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const USED = [
  "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
  "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
  "onnxruntime-web/dist/ort.webgpu.bundle.min.mjs",
  "onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm",
  "@huggingface/tokenizers/dist/tokenizers.min.mjs",
  "@huggingface/jinja/dist/index.js",
];
const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));

function describe(file) {
  const name = Object.keys(dependencies).find((dependency) => file.startsWith(`${dependency}/`));
  const content = readFileSync(`node_modules/${file}`);
  const digest = createHash("sha384").update(content).digest("base64");
  const inside = file.slice(name.length);
  return { package: `${name}@${dependencies[name]}${inside}`, bytes: content.length, integrity: `sha384-${digest}` };
}

const described = Object.fromEntries(USED.map((file) => [file, describe(file)]));
writeFileSync("libraries.json", `${JSON.stringify(described, null, 2)}\n`);
