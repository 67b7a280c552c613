/**
 * Where the time of one whole decode step goes: a synthetic model on the real runtime, every call into the kernel set
 * timed. Lower quartiles over all steps, in milliseconds; "host" is what lies between the calls.
 *
 * Run: node --conditions=@stepdown/source --import tsx scripts/profile-step.mjs [shape 135m|1.1b] [bits] [contexts]
 * THREADS, CACHE (f32, f16, i8) and STEPS set the rest.
 */
import { createSyntheticCheckpoint } from "../../../apps/bench/src/synthetic/synthetic-model.ts";
import { modelShapes } from "../../../apps/bench/src/synthetic/model-shapes.ts";
import { loadLanguageModel } from "../../runtime/src/index.ts";
import { createWasmKernels } from "../src/index.ts";

const [shape = "135m", bitList = "4", contexts = "128"] = process.argv.slice(2);
const STEPS = Number(process.env.STEPS ?? 40);
const { THREADS, VARIANT, CACHE: cacheType = "f32" } = process.env;
const wanted = bitList.split(",").map(Number);
const { config } = modelShapes[shape];
const kernels = await createWasmKernels({
  ...(THREADS && { threads: Number(THREADS) }),
  ...(VARIANT && { variant: VARIANT }),
});

let times;
const names = new Map();
/** What a call counts as; products by the shape of their first weight. */
function labelOf(method, argument) {
  if (method !== "linear") return method;
  const [{ rows, columns }] = argument.weights;
  const label = rows === config.vocab_size ? "head" : `linear ${columns}x${argument.weights.map((w) => w.rows).join("+")}`;
  if (names.get(label) === undefined) names.set(label, true);
  return label;
}
const timed = new Proxy(kernels, {
  get(target, property) {
    const value = target[property];
    if (typeof value !== "function") return value;
    return (...parameters) => {
      const begin = performance.now();
      const result = value.apply(target, parameters);
      const label = labelOf(String(property), parameters[0]);
      if (times !== undefined) times[label] = (times[label] ?? 0) + performance.now() - begin;
      return result;
    };
  },
});

const options = { name: shape, config, kind: "bcq", seedBits: Math.min(...wanted), bits: Math.max(...wanted), seed: 1 };
const model = await loadLanguageModel({ checkpoint: createSyntheticCheckpoint(options), kernels: timed });
const quartile = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 4)];
process.stdout.write(`${process.version} ${kernels.name} threads ${kernels.capabilities.threads} cache ${cacheType}\n`);
for (const context of contexts.split(",").map(Number)) {
  const sequence = await model.createSequence({ capacity: context + 2, cacheType });
  await sequence.forward(Array.from({ length: context }, (_, i) => (i * 7919) % config.vocab_size), { precision: wanted[0], logits: "none" });
  const samples = new Map(wanted.map((bits) => [bits, []]));
  for (let step = 0; step < STEPS; step++)
    for (const precision of wanted) {
      times = {};
      const begin = performance.now();
      await sequence.forward([(step * 31) % config.vocab_size], { precision });
      times.total = performance.now() - begin;
      sequence.truncate(context);
      if (step > 2) samples.get(precision).push(times);
    }
  times = undefined;
  for (const [bits, list] of samples) {
    const labels = Object.keys(list[0]).filter((label) => label !== "total");
    const total = quartile(list.map((entry) => entry.total));
    const parts = Object.fromEntries(labels.map((label) => [label, quartile(list.map((entry) => entry[label] ?? 0))]));
    parts.host = quartile(list.map((e) => e.total - labels.reduce((sum, label) => sum + e[label], 0)));
    const blocks = labels.filter((label) => label.startsWith("linear")).reduce((sum, label) => sum + parts[label], 0);
    process.stdout.write(`${shape} ${bits} bits, context ${context}: ${total.toFixed(2)} ms, blocks' products ${((100 * blocks) / total).toFixed(1)} %, with head ${((100 * (blocks + parts.head)) / total).toFixed(1)} %\n`);
    const sorted = Object.entries(parts).sort((a, b) => b[1] - a[1]);
    process.stdout.write(`  ${sorted.map(([label, value]) => `${label} ${value.toFixed(3)}`).join(" · ")}\n`);
  }
  await sequence[Symbol.asyncDispose]();
}
await model[Symbol.asyncDispose]();
await kernels[Symbol.asyncDispose]();
