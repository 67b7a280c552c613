/**
 * Where the time of one whole decode step goes: a synthetic model on the real runtime, every call into the kernel set
 * timed. Lower quartiles over all steps, in milliseconds; "host" is what lies between the calls. Precisions and numbers
 * of threads are interleaved, so that their ratios survive a busy machine.
 *
 * Run: node --conditions=@stepdown/source --import tsx scripts/profile-step.mjs [shape 135m|1.1b] [bits] [contexts]
 * THREADS (a list), CACHE (f32, f16, i8), VARIANT and STEPS set the rest.
 */
import { modelShapes } from "../../../apps/bench/src/synthetic/model-shapes.ts";
import { createSyntheticCheckpoint } from "../../../apps/bench/src/synthetic/synthetic-model.ts";
import { loadLanguageModel } from "../../runtime/src/index.ts";
import { createWasmKernels } from "../src/index.ts";

const [shape = "135m", bitList = "4", contexts = "128"] = process.argv.slice(2);
const { THREADS = "1", VARIANT, CACHE: cacheType = "f32", STEPS = "40" } = process.env;
const wanted = bitList.split(",").map(Number);
const { config } = modelShapes[shape];
/** Longer than workers look for work before they sleep, so that those of one set do not disturb another. */
const PAUSE_MILLISECONDS = 2;

let times;

/** What a call counts as; products by the shape of their weights. */
function labelOf(method, argument) {
  if (method !== "linear") return method;
  const [{ rows, columns }] = argument.weights;
  return rows === config.vocab_size ? "head" : `linear ${columns}x${argument.weights.map((w) => w.rows).join("+")}`;
}

function timed(kernels) {
  return new Proxy(kernels, {
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
}

const quartile = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 4)];
const print = (line) => process.stdout.write(`${line}\n`);

const options = { name: shape, config, kind: "bcq", seedBits: Math.min(...wanted), bits: Math.max(...wanted), seed: 1 };
const runners = [];
for (const threads of THREADS.split(",").map(Number)) {
  const kernels = await createWasmKernels({ threads, ...(VARIANT && { variant: VARIANT }) });
  const model = await loadLanguageModel({ checkpoint: createSyntheticCheckpoint(options), kernels: timed(kernels) });
  print(`${process.version} ${kernels.name}, threads ${kernels.capabilities.threads}, cache ${cacheType}`);
  runners.push({ threads, kernels, model });
}
for (const context of contexts.split(",").map(Number)) {
  const variants = [];
  for (const { threads, model } of runners) {
    const sequence = await model.createSequence({ capacity: context + 2, cacheType });
    const prompt = Array.from({ length: context }, (_, i) => (i * 7919) % config.vocab_size);
    await sequence.forward(prompt, { precision: wanted[0], logits: "none" });
    for (const precision of wanted) variants.push({ threads, sequence, precision, samples: [] });
  }
  for (let step = 0; step < Number(STEPS); step++)
    for (const { sequence, precision, samples } of variants) {
      if (runners.length > 1) await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
      times = {};
      const begin = performance.now();
      await sequence.forward([(step * 31) % config.vocab_size], { precision });
      times.total = performance.now() - begin;
      sequence.truncate(context);
      if (step > 2) samples.push(times);
    }
  times = undefined;
  for (const { threads, precision, samples } of variants) {
    const labels = Object.keys(samples[0]).filter((label) => label !== "total");
    const total = quartile(samples.map((entry) => entry.total));
    const parts = Object.fromEntries(labels.map((label) => [label, quartile(samples.map((e) => e[label] ?? 0))]));
    parts.host = quartile(samples.map((e) => e.total - labels.reduce((sum, label) => sum + e[label], 0)));
    const products = labels.filter((l) => l.startsWith("linear")).reduce((sum, label) => sum + parts[label], 0);
    const share = (part) => ((100 * part) / total).toFixed(1);
    print(
      `${shape} ${precision} bits, context ${context}, threads ${threads}: ${total.toFixed(2)} ms; products of blocks ` +
        `${share(products)} %, with head ${share(products + parts.head)} %`,
    );
    const sorted = Object.entries(parts).sort((a, b) => b[1] - a[1]);
    print(`  ${sorted.map(([label, value]) => `${label} ${value.toFixed(3)}`).join(" · ")}`);
  }
  for (const sequence of new Set(variants.map((variant) => variant.sequence))) await sequence[Symbol.asyncDispose]();
}
for (const { model, kernels } of runners) {
  await model[Symbol.asyncDispose]();
  await kernels[Symbol.asyncDispose]();
}
