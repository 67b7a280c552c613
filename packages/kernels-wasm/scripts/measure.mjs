/**
 * Times the kernels: variants interleaved in one process, lower quartiles and medians, ratios to dense float32, because
 * other programs on the machine disturb absolute times. Each variant uses one matrix: the two small shapes stay in cache,
 * the head does not.
 *
 * THREADS=2 sets the threads, ROUNDS the samples.
 *
 * Run: node --conditions=@stepdown/source --import tsx scripts/measure.mjs [decode|prefill|attention …]
 */
import { createRandomLinearWeight } from "@stepdown/testing";
import { createWasmKernels } from "../src/index.ts";

const ROUNDS = Number(process.env.ROUNDS ?? 61);
const MILLISECONDS = 2;
const parts = process.argv.length > 2 ? process.argv.slice(2) : ["decode", "prefill", "attention"];
const kernels = await createWasmKernels({ threads: Number(process.env.THREADS ?? 1) });

/** Seconds per call of each variant, interleaved: the lower quartile, because disturbances only ever add, and the median. */
function time(variants) {
  const entries = Object.entries(variants).map(([name, run]) => {
    for (let i = 0; i < 30; i++) run();
    const begin = performance.now();
    let calls = 0;
    do {
      run();
      calls++;
    } while (performance.now() - begin < MILLISECONDS);
    return { name, run, calls, samples: [] };
  });
  for (let round = 0; round < ROUNDS; round++)
    for (const entry of entries) {
      const begin = performance.now();
      for (let i = 0; i < entry.calls; i++) entry.run();
      entry.samples.push((performance.now() - begin) / 1000 / entry.calls);
    }
  return entries.map(({ name, samples }) => {
    samples.sort((a, b) => a - b);
    return { name, seconds: samples[samples.length >> 2], median: samples[samples.length >> 1] };
  });
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

function random(length) {
  return Float32Array.from({ length }, () => Math.random() * 2 - 1);
}

async function prepare(codec, rows, columns, type) {
  return kernels.prepareLinear(
    createRandomLinearWeight({
      codec,
      rows,
      columns,
      bits: 8,
      seedBits: 2,
      groupSize: codec === "bcq" ? 96 : columns,
      ...(type && { type }),
    }),
  );
}

async function variantsOf(rows, columns, tokens) {
  const input = kernels.allocate(tokens * columns);
  kernels.write(input, random(tokens * columns));
  const outputs = [kernels.allocate(tokens * rows)];
  const call = (weight, precision) => () => kernels.linear({ weights: [weight], precision, input, outputs, tokens });
  const variants = {};
  const big = rows * columns > 5e6;
  for (const type of ["f32", "f16", "bf16"])
    variants[`dense ${type}`] = call(await prepare("dense", rows, columns, type), 16);
  const uniform = await prepare("uniform", rows, columns);
  if (!big) {
    const codebook = await prepare("codebook", rows, columns);
    for (const bits of [2, 3, 4, 5, 6, 8]) variants[`codebook ${bits}`] = call(codebook, bits);
  }
  for (const bits of [2, 3, 4, 6, 8]) variants[`uniform ${bits}`] = call(uniform, bits);
  const binaryCoded = await prepare("bcq", rows, columns);
  for (const bits of [2, 3, 4, 6, 8]) variants[`bcq ${bits}`] = call(binaryCoded, bits);
  return variants;
}

for (const part of parts) {
  if (part === "decode")
    for (const [columns, rows] of [
      [576, 1536],
      [1536, 576],
      [576, 49152],
    ]) {
      print(`decode, K ${columns} × N ${rows}: ns per 1000 weights, ratio to dense f32`);
      const results = time(await variantsOf(rows, columns, 1));
      for (const { name, seconds, median } of results)
        print(
          `  ${name.padEnd(12)} ${((seconds * 1e12) / (rows * columns)).toFixed(0).padStart(5)}  ${(seconds / results[0].seconds).toFixed(2)}  median ${(median / results[0].median).toFixed(2)}`,
        );
    }
  if (part === "prefill")
    for (const [columns, rows] of [
      [576, 1536],
      [1536, 576],
    ])
      for (const tokens of [2, 8, 128, 512]) {
        print(`prefill, K ${columns} × N ${rows}, ${tokens} tokens: GFLOP/s, ratio of time to dense f32`);
        const results = time(await variantsOf(rows, columns, tokens));
        for (const { name, seconds, median } of results)
          print(
            `  ${name.padEnd(12)} ${((2 * rows * columns * tokens) / seconds / 1e9).toFixed(1).padStart(5)}  ${(seconds / results[0].seconds).toFixed(2)}  median ${(median / results[0].median).toFixed(2)}`,
          );
      }
  if (part === "attention") {
    const [heads, keyValueHeads, headDimension] = [9, 3, 64];
    const variants = {};
    const flops = {};
    for (const type of ["f32", "f16", "i8"])
      for (const [position, tokens] of [
        [0, 512],
        [1536, 512],
        [255, 1],
        [2047, 1],
      ]) {
        const cache = kernels.createKeyValueCache({ blocks: 1, keyValueHeads, headDimension, capacity: 2048, type });
        const width = keyValueHeads * headDimension;
        for (let at = 0; at < 2048; at += 512) {
          const keys = kernels.allocate(512 * width);
          kernels.write(keys, random(512 * width));
          kernels.storeKeyValues({ cache, block: 0, keys, values: keys, tokens: 512, position: at });
        }
        const queries = kernels.allocate(tokens * heads * headDimension);
        kernels.write(queries, random(tokens * heads * headDimension));
        const output = kernels.allocate(tokens * heads * headDimension);
        const name = `attend ${type} position ${position} tokens ${tokens}`;
        flops[name] = 4 * heads * headDimension * tokens * (position + (tokens + 1) / 2);
        variants[name] = () =>
          kernels.attend({ cache, block: 0, queries, output, tokens, heads, position, scale: 0.125 });
      }
    for (const { name, seconds } of time(variants))
      print(
        `  ${name.padEnd(40)} ${(seconds * 1e6).toFixed(0).padStart(7)} us ${(flops[name] / seconds / 1e9).toFixed(1)} GFLOP/s`,
      );
  }
}
