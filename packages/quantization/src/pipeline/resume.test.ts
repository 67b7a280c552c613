import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Progress } from "@stepdown/core";
import { openCheckpoint, writeSafetensors } from "@stepdown/model-format";
import { afterAll, beforeAll, expect, test } from "vitest";
import { linearLayerNames } from "./architectures.js";
import { quantizeCheckpoint } from "./quantize-checkpoint.js";

const CONFIG = { architectures: ["LlamaForCausalLM"], num_hidden_layers: 3, tie_word_embeddings: true };
const HIDDEN = 64;
const BITS = 6;

let folder: string;
let source: string;
/** Bytes of all files of an undisturbed run. */
let undisturbed: Map<string, string>;
let layerCount: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-resume-"));
  source = join(folder, "source");
  const matrices = linearLayerNames(CONFIG).map((name) => ({ name: `${name}.weight`, shape: [HIDDEN, HIDDEN] }));
  layerCount = matrices.length + 1;
  const tensors = [
    ...matrices,
    { name: "model.embed_tokens.weight", shape: [100, HIDDEN] },
    { name: "model.norm.weight", shape: [HIDDEN] },
  ].map(({ name, shape }, index) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length }, (_, i) => Math.sin(1000 * index + i * i));
    return { name, type: "F32", shape, read: async () => data };
  });
  await mkdir(source);
  await writeSafetensors(join(source, "model.safetensors"), tensors);
  await writeFile(join(source, "config.json"), JSON.stringify(CONFIG));
  await writeFile(join(source, "tokenizer.json"), '{"model":{"type":"BPE"}}');
  await run(join(folder, "undisturbed"));
  undisturbed = await hashes(join(folder, "undisturbed"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function run(directory: string, options: object = {}): ReturnType<typeof quantizeCheckpoint> {
  await using checkpoint = await openCheckpoint(source);
  return await quantizeCheckpoint({ checkpoint, directory, bits: BITS, threads: 0, ...options });
}

async function hashes(directory: string): Promise<Map<string, string>> {
  const names = (await readdir(directory)).sort();
  const hash = async (name: string): Promise<[string, string]> => [
    name,
    createHash("sha256")
      .update(await readFile(join(directory, name)))
      .digest("hex"),
  ];
  return new Map(await Promise.all(names.map(hash)));
}

/** Names beside the output that this run left behind. */
async function leftovers(directory: string): Promise<string[]> {
  return (await readdir(join(directory, ".."))).filter((name) =>
    join(directory, "..", name).startsWith(`${directory}.`),
  );
}

/**
 * Quantizes in a process of its own, with worker threads, that kills itself with SIGKILL at its n-th report of a phase.
 * Resolves with the signal it died of.
 */
function runKilled(directory: string, phase: string, report: number, options: object = {}): Promise<string | null> {
  const index = new URL("../index.ts", import.meta.url).href;
  const program = `
    import { openCheckpoint } from "@stepdown/model-format";
    import { quantizeCheckpoint } from ${JSON.stringify(index)};
    const checkpoint = await openCheckpoint(${JSON.stringify(source)});
    let reports = 0;
    await quantizeCheckpoint({
      checkpoint, directory: ${JSON.stringify(directory)}, bits: ${BITS}, threads: 2, ...${JSON.stringify(options)},
      onProgress: ({ phase }) => {
        if (phase === ${JSON.stringify(phase)} && ++reports === ${report}) process.kill(process.pid, "SIGKILL");
      },
    });`;
  const child = spawn(
    process.execPath,
    ["--conditions=@stepdown/source", "--import", "tsx", "--input-type=module", "--eval", program],
    { cwd: new URL(".", import.meta.url), stdio: ["ignore", "ignore", "pipe"] },
  );
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      code === null ? resolve(signal) : reject(new Error(`exit ${code}: ${errors}`)),
    );
  });
}

test.each<[name: string, options: object]>([
  ["codebook", {}],
  ["bcq", { codec: "bcq", offset: true }],
  ["outliers", { outliers: 0.01, seedBits: 3 }],
])("a run killed again and again ends with the bytes of an undisturbed one: %s", async (name, options) => {
  const directory = join(folder, `killed-${name}`);
  const reference = join(folder, `not-killed-${name}`);
  await run(reference, options);
  const expected = await hashes(reference);
  const moments: [phase: string, report: number][] = [
    ["quantizing", 1],
    ["quantizing", 3],
    ["quantizing", Math.floor(layerCount / 2)],
    ["writing model", 1],
    ["writing model", layerCount],
  ];
  for (const [phase, report] of moments) {
    expect(await runKilled(directory, phase, report, options)).toBe("SIGKILL");
  }
  const report = await run(directory, options);
  expect(report.resumedLayers).toBe(layerCount);
  expect(await hashes(directory)).toEqual(expected);
  expect(await leftovers(directory)).toEqual([]);
});

test("a run killed after its output was in place is completed without asking to overwrite", async () => {
  const directory = join(folder, "completed");
  const controller = new AbortController();
  const onProgress = ({ phase }: Progress): void => {
    if (phase === "writing model") controller.abort();
  };
  await expect(run(directory, { signal: controller.signal, onProgress })).rejects.toThrow();
  // What the disk looks like when the run dies between its last two steps.
  await cp(`${directory}.partial`, `${directory}-copy`, { recursive: true });
  await run(directory);
  await cp(`${directory}-copy`, `${directory}.partial`, { recursive: true });
  await run(directory);
  expect(await hashes(directory)).toEqual(undisturbed);
  expect(await leftovers(directory)).toEqual([]);
});

test.each([
  // A layer is reported before its file is written, while the next is under way: the tenth report leaves some written.
  ["quantizing", 10],
  ["writing model", 3],
])("an abort while %s leaves nothing but what a later run takes up", async (phase, count) => {
  const directory = join(folder, `aborted-${count}`);
  const controller = new AbortController();
  const reason = new Error("enough");
  let reports = 0;
  const onProgress = (progress: Progress): void => {
    if (progress.phase === phase && ++reports === count) controller.abort(reason);
  };
  await expect(run(directory, { signal: controller.signal, onProgress, threads: 1 })).rejects.toBe(reason);
  expect(await leftovers(directory)).toEqual([`aborted-${count}.partial`]);
  const partial = await readdir(`${directory}.partial`);
  expect(partial.filter((name) => name.endsWith(".tmp"))).toEqual([]);
  const report = await run(directory);
  expect(report.resumedLayers).toBe(partial.filter((name) => name.endsWith(".layer")).length);
  expect(report.resumedLayers).toBeGreaterThan(0);
  expect(await hashes(directory)).toEqual(undisturbed);
  expect(await leftovers(directory)).toEqual([]);
});

test("damaged, truncated and foreign files of finished layers are made anew", async () => {
  const directory = join(folder, "damaged");
  await expect(stopBeforeWriting(directory)).rejects.toThrow();
  const names = (await readdir(`${directory}.partial`)).filter((name) => name.endsWith(".layer")).sort();
  const path = (index: number): string => join(`${directory}.partial`, names[index]!);
  const flipped = await readFile(path(0));
  flipped[flipped.length - 9]! ^= 1;
  await writeFile(path(0), flipped);
  await truncate(path(1), 40);
  await truncate(path(2), (await readFile(path(2))).length - 1);
  await writeFile(path(3), "");
  await cp(path(4), path(5));
  const report = await run(directory);
  expect(report.resumedLayers).toBe(layerCount - 5);
  expect(await hashes(directory)).toEqual(undisturbed);
});

test("unfinished work of other options is thrown away, with a note", async () => {
  const directory = join(folder, "other");
  await expect(stopBeforeWriting(directory, { mode: "fixed" })).rejects.toThrow();
  const details: (string | undefined)[] = [];
  const report = await run(directory, { onProgress: ({ detail }: Progress) => details.push(detail) });
  expect(report.resumedLayers).toBe(0);
  expect(details[0]).toMatch(/discarded unfinished work/);
  expect(await hashes(directory)).toEqual(undisturbed);
});

test("binary-coded work is taken up by the same codec and groups only", async () => {
  const bcq = { codec: "bcq" };
  await run(join(folder, "bcq"), bcq);
  const expected = await hashes(join(folder, "bcq"));
  const directory = join(folder, "bcq-stopped");
  await expect(stopBeforeWriting(directory, { ...bcq, threads: 2 })).rejects.toThrow();
  const report = await run(directory, bcq);
  expect(report.resumedLayers).toBe(layerCount);
  expect(await hashes(directory)).toEqual(expected);
  expect(await leftovers(directory)).toEqual([]);
  const others = [{}, { ...bcq, groupSize: 32 }, { ...bcq, offset: true }];
  for (const [i, other] of others.entries()) {
    const changed = join(folder, `bcq-${i}`);
    await expect(stopBeforeWriting(changed, bcq)).rejects.toThrow();
    expect((await run(changed, other)).resumedLayers).toBe(0);
  }
});

test.each(["bcq", "codebook"])(
  "so is work of %s with error feedback, by the same effort and moments only",
  async (codec) => {
    const values = Float32Array.from({ length: HIDDEN ** 2 }, (_, i) => (i % (HIDDEN + 1) === 0 ? 1 : 0.4));
    const moments = (key: string): object => ({
      sensitivity: { name: "guided", key, read: async () => ({ kind: "moments", values }) },
    });
    const calibrated = { codec, effort: "calibrated", ...moments("a") };
    await run(join(folder, `${codec}-feedback`), calibrated);
    const expected = await hashes(join(folder, `${codec}-feedback`));
    const directory = join(folder, `${codec}-feedback-stopped`);
    await expect(stopBeforeWriting(directory, { ...calibrated, threads: 2 })).rejects.toThrow();
    expect((await run(directory, calibrated)).resumedLayers).toBe(layerCount);
    expect(await hashes(directory)).toEqual(expected);
    const others = [{ effort: "best" }, { effort: "quick" }, { optimizeFor: [3] }, moments("b")];
    for (const [i, other] of others.entries()) {
      const changed = join(folder, `${codec}-feedback-${i}`);
      await expect(stopBeforeWriting(changed, calibrated)).rejects.toThrow();
      expect((await run(changed, { ...calibrated, ...other })).resumedLayers).toBe(0);
    }
  },
);

function stopBeforeWriting(directory: string, options: object = {}): ReturnType<typeof run> {
  const controller = new AbortController();
  const onProgress = ({ phase }: Progress): void => {
    if (phase === "writing model") controller.abort();
  };
  return run(directory, { ...options, signal: controller.signal, onProgress });
}
