/**
 * What key-value caches of halves and bytes cost in quality: perplexity of a model over windows of a text, and the mean
 * Kullback-Leibler divergence of its next-token distributions from those with a float32 cache.
 *
 * Run: node --conditions=@stepdown/source --import tsx scripts/cache-quality.mjs MODEL TEXT [tokens per window] [windows]
 * TEXT is plain text, or lines of JSON with a field "text" (.jsonl), of which the first 40 are read.
 */
import { readFileSync } from "node:fs";
import { openCheckpoint } from "../../model-format/src/index.ts";
import { loadLanguageModel } from "../../runtime/src/index.ts";
import { createTokenizer } from "../../tokenization/src/index.ts";
import { createWasmKernels } from "../src/index.ts";

const [modelPath, textPath, windowTokens = "512", windows = "4"] = process.argv.slice(2);
const kernels = await createWasmKernels();
const checkpoint = await openCheckpoint(modelPath);
const model = await loadLanguageModel({ checkpoint, kernels });
const tokenizer = createTokenizer(await checkpoint.readTextAssets());
const file = readFileSync(textPath, "utf8");
const lines = file.split("\n", 40);
const text = textPath.endsWith(".jsonl")
  ? lines.map((line) => JSON.parse(line).text).join("\n\n")
  : file.slice(0, 1 << 18);
const ids = tokenizer.encode(text);
const count = Number(windowTokens);
const vocabulary = model.description.vocabularySize;

/** Logits to log-probabilities, in place. */
function normalize(row) {
  const largest = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const sum = row.reduce((total, value) => total + Math.exp(value - largest), 0);
  const shift = largest + Math.log(sum);
  row.forEach((value, index) => {
    row[index] = value - shift;
  });
}

const totals = new Map(["f32", "f16", "i8"].map((type) => [type, { loss: 0, divergence: 0 }]));
let scored = 0;
for (let window = 0; window < Number(windows); window++) {
  const part = ids.slice(window * count, (window + 1) * count);
  let exact;
  for (const [cacheType, total] of totals) {
    const sequence = await model.createSequence({ capacity: count, cacheType });
    const { logits } = await sequence.forward(part, { precision: model.precisions.at(-1), logits: "all" });
    await sequence[Symbol.asyncDispose]();
    exact ??= logits;
    for (let t = 0; t + 1 < part.length; t++) {
      const row = logits.subarray(t * vocabulary, (t + 1) * vocabulary);
      normalize(row);
      total.loss -= row[part[t + 1]];
      const wanted = exact.subarray(t * vocabulary, (t + 1) * vocabulary);
      if (logits !== exact)
        for (let i = 0; i < vocabulary; i++) total.divergence += Math.exp(wanted[i]) * (wanted[i] - row[i]);
    }
  }
  scored += part.length - 1;
}
for (const [type, { loss, divergence }] of totals)
  process.stdout.write(
    `${type}: perplexity ${Math.exp(loss / scored).toFixed(4)}, divergence ${(divergence / scored).toExponential(2)} nats, ${scored} tokens\n`,
  );
await model[Symbol.asyncDispose]();
await kernels[Symbol.asyncDispose]();
