import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type ResultDocument, type ResultRow, variantName } from "./report/result-document.js";
import { bench } from "./test-helper/run.js";

/** A Llama so small that a step takes a millisecond even in the reference kernels. */
const tinyConfig = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 120,
  max_position_embeddings: 64,
  tie_word_embeddings: false,
};
/** As little measuring as there can be: these tests look at the form of the results, not at times. */
const quick = ["--repetitions", "5", "--warm-up", "1", "--retries", "0", "--minimum-milliseconds", "0"];

let folder: string;
let shape: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-bench-test-"));
  shape = join(folder, "tiny.json");
  await writeFile(shape, JSON.stringify(tinyConfig));
});

afterAll(async () => await rm(folder, { recursive: true, force: true }));

afterEach(() => {
  vi.unstubAllEnvs();
});

async function document(argv: readonly string[]): Promise<ResultDocument> {
  const { exitCode, stdout, stderr } = await bench([...argv, ...quick, "--json"]);
  expect({ exitCode, errors: stderr.match(/^stepdown-bench: .*$/m)?.[0] }).toEqual({ exitCode: 0, errors: undefined });
  return JSON.parse(stdout) as ResultDocument;
}

function expectSoundRow(row: ResultRow): void {
  expect(Object.keys(row)).toEqual([
    ...["suite", "case", "engine", "codec", "bits", "threads"],
    ...["model", "shape", "context", "groupSize", "medianMilliseconds", "lowerQuartile", "upperQuartile"],
    ...[
      "processorMilliseconds",
      "repetitions",
      "runsPerRepetition",
      "disturbedShare",
      "reliable",
      "bytes",
      "gigabytesPerSecond",
    ],
    ...["work", "workUnit", "workPerSecond", "baseline", "speedup", "speedupLow", "speedupHigh", "samples"],
  ]);
  expect(row.samples).toHaveLength(row.repetitions);
  expect(row.lowerQuartile).toBeLessThanOrEqual(row.medianMilliseconds);
  expect(row.medianMilliseconds).toBeLessThanOrEqual(row.upperQuartile);
  expect(row.medianMilliseconds).toBeGreaterThan(0);
  expect(row.processorMilliseconds).toBeGreaterThanOrEqual(0);
  expect(row.disturbedShare).toBeGreaterThanOrEqual(0);
  expect(row.disturbedShare).toBeLessThanOrEqual(1);
  expect(row.workPerSecond).toBeCloseTo((1000 * row.work) / row.medianMilliseconds, 3);
  if (row.bytes !== null) expect(row.gigabytesPerSecond).toBeCloseTo(row.bytes / row.medianMilliseconds / 1e6, 9);
}

describe("stepdown-bench decode", () => {
  it("writes one document with the machine and one row per precision", async () => {
    const { specificationVersion, machine, rows } = await document([
      ...["decode", "--shape", shape, "--bits", "2,4", "--context", "3"],
    ]);
    expect(specificationVersion).toBe("v1");
    expect(Object.keys(machine)).toEqual([
      ...["cpu", "cores", "memoryBytes", "lastLevelCacheBytes", "platform", "node", "startedAt"],
      ...["loadAverageBefore", "loadAverageAfter", "foreignCores", "engines"],
    ]);
    expect(machine.node).toBe(process.version);
    expect(machine.engines.map(({ name }) => name)).toEqual(["wasm"]);
    rows.forEach(expectSoundRow);
    expect(rows.map((row) => `${row.suite} ${variantName(row)}`)).toEqual(["decode codebook-2", "decode codebook-4"]);
    expect(rows.map(({ baseline }) => baseline)).toEqual(["codebook-4", "codebook-4"]);
    expect(rows[1]?.speedup).toBe(1);
    expect(rows[0]?.bytes).toBeLessThan(rows[1]?.bytes as number);
  });

  it("measures several engines and codecs side by side, against a baseline by name", async () => {
    const { rows } = await document([
      ...["decode", "--shape", shape, "--bits", "3", "--context", "2", "--codec", "bcq,f32"],
      ...["--engine", "wasm,reference", "--baseline", "reference/bcq-3"],
    ]);
    expect(rows.map((row) => `${row.engine}/${variantName(row)}`)).toEqual([
      "wasm/bcq-3",
      "wasm/dense-32",
      "reference/bcq-3",
      "reference/dense-32",
    ]);
    for (const row of rows) expect(row.baseline).toBe("reference/bcq-3");
    expect(rows[2]).toMatchObject({ speedup: 1, speedupLow: null, speedupHigh: null });
  });

  it("shows a table without --json", async () => {
    const { exitCode, stdout } = await bench(["decode", "--shape", shape, "--bits", "2,3", "--context", "1", ...quick]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^variant +median ms/m);
    expect(stdout.split("\n").filter((line) => line.startsWith("codebook-"))).toHaveLength(2);
  });
});

describe("the other suites", () => {
  it("gemv has one case per shape and temperature", async () => {
    const { rows } = await document([
      ...["gemv", "--shapes", "32x64,40x72", "--codec", "codebook,uniform,bcq,f16,f32", "--bits", "2,5"],
      ...["--cold-megabytes", "1"],
    ]);
    rows.forEach(expectSoundRow);
    expect([...new Set(rows.map((row) => row.case))]).toEqual(["32x64 hot", "32x64 cold", "40x72 hot", "40x72 cold"]);
    const first = rows.filter((row) => row.case === "32x64 hot");
    expect(first.map((row) => [variantName(row), row.bytes])).toEqual([
      ["codebook-2", 2 * 32 * 8 + 32 * 4 * 2],
      ["codebook-5", 5 * 32 * 8 + 32 * 32 * 2],
      ["uniform-2", 2 * 32 * 8 + 32 * 4],
      ["uniform-5", 5 * 32 * 8 + 32 * 4],
      ["bcq-2", 2 * 32 * 8 + 32 * 2 + 32 * 2],
      ["bcq-5", 5 * 32 * 8 + 32 * 5 + 32 * 2],
      ["dense-16", 32 * 64 * 2],
      ["dense-32", 32 * 64 * 4],
    ]);
    for (const row of rows) expect(row.baseline).toBe("dense-16");
  });

  it("prefill counts tokens", async () => {
    const { rows } = await document(["prefill", "--shape", shape, "--bits", "2,4", "--tokens", "5"]);
    rows.forEach(expectSoundRow);
    expect(rows.map(({ bits, work, workUnit, bytes }) => ({ bits, work, workUnit, bytes }))).toEqual([
      { bits: 2, work: 5, workUnit: "tokens", bytes: null },
      { bits: 4, work: 5, workUnit: "tokens", bytes: null },
    ]);
  });

  it("load writes a synthetic model, loads it per precision and leaves nothing behind", async () => {
    const temporary = await mkdtemp(join(folder, "temporary-"));
    // Where `tmpdir()` points: the first on Unix, the second on Windows.
    vi.stubEnv("TMPDIR", temporary);
    vi.stubEnv("TEMP", temporary);
    const { rows } = await document(["load", "--shape", shape, "--bits", "2,3,4"]);
    rows.forEach(expectSoundRow);
    expect(rows.map(({ bits }) => bits)).toEqual([2, 3, 4]);
    expect(rows[0]?.bytes).toBeLessThan(rows[2]?.bytes as number);
    expect(await readdir(temporary)).toEqual([]);
  });

  it("quantize counts weights", async () => {
    const { rows } = await document([
      ...["quantize", "--shape", shape, "--rows", "4", "--bits", "3,4", "--mode", "exact,fixed", "--threads", "0"],
    ]);
    rows.forEach(expectSoundRow);
    // Distinct layers of the tiny shape: 64 × 64, 32 × 64, 96 × 64, 64 × 96, four rows of each.
    expect(rows.map((row) => [variantName(row), row.work])).toEqual([
      ["codebook-exact-3", 4 * (64 + 64 + 64 + 96)],
      ["codebook-exact-4", 4 * (64 + 64 + 64 + 96)],
      ["codebook-fixed-3", 4 * (64 + 64 + 64 + 96)],
      ["codebook-fixed-4", 4 * (64 + 64 + 64 + 96)],
    ]);
  });
});

describe("thread counts, baselines and reports", () => {
  it("gemv puts the tuned baselines and several thread counts side by side", async () => {
    const { rows, machine, notes } = await document([
      ...["gemv", "--shapes", "32x96,8x40", "--codec", "bcq,f16-tuned,int4-tuned", "--bits", "2", "--cache", "hot"],
      ...["--threads", "1,2"],
    ]);
    rows.forEach(expectSoundRow);
    const wide = rows.filter(({ shape }) => shape === "32x96");
    expect(wide.map((row) => [variantName(row), row.bits, row.threads, row.groupSize])).toEqual([
      ["bcq-2", 2, 1, 96],
      ["bcq-2", 2, 2, 96],
      ["f16-tuned", 16, 1, null],
      ["int4-tuned", 4, 1, 96],
    ]);
    expect(wide.map(({ bytes }) => bytes).slice(2)).toEqual([32 * 96 * 2, 32 * 48 + 32 * 4]);
    expect(wide[0]?.baseline).toBe("baseline/f16-tuned ×1");
    expect(notes).toEqual([expect.stringMatching(/^int4-tuned: 8x40 left out/)]);
    expect(machine.engines.map(({ name, threads }) => [name, threads])).toEqual([
      ["wasm", 1],
      ["wasm", 2],
      ["baseline", 1],
    ]);
  });

  it("sync times round trips to workers and says what a step needs of them", async () => {
    const { rows, notes } = await document(["sync", "--ways", "wait"]);
    rows.forEach(expectSoundRow);
    expect(rows.map((row) => [row.case, variantName(row), row.workUnit])).toEqual([
      ["wait, 2 threads", "wait", "round trips"],
    ]);
    expect(notes).toEqual([expect.stringMatching(/^wait ×2: .* 135m [\d.]+ ms \(121\), 1\.1b .*\(89\)/)]);
  });

  it("--html writes a page with the same rows", async () => {
    const file = join(folder, "report.html");
    const argv = ["decode", "--shape", shape, "--bits", "2,3", "--codec", "bcq", "--context", "1", "--html", file];
    const { rows } = await document(argv);
    const page = await readFile(file, "utf8");
    const held = /id="document">(.*?)<\/script>/s.exec(page)?.[1];
    expect((JSON.parse(held as string) as ResultDocument).rows).toEqual(rows);
  });
});

describe("bad input", () => {
  it.each([
    [["gemv", "--shapes", "64"], "ROWSxCOLUMNS"],
    [["gemv", "--shapes", "0x64"], "ROWSxCOLUMNS"],
    [["gemv", "--bits", "9"], "1 to 8"],
    [["gemv", "--bits", "2,x"], "whole number"],
    [["gemv", "--engine", "gpu"], "wasm"],
    [["gemv", "--shapes", "8x8", "--baseline", "uniform-3"], "codebook-2"],
    [["decode", "--repetitions", "0"], "1 to"],
    [["decode", "--model", "a", "--shape", "135m"], "exclude"],
    [["quantize", "--bits", "2", "--seed-bits", "3"], "--seed-bits"],
    [["decode", "extra"], "too many arguments"],
    [["nothing"], "unknown command"],
  ])("%j ends in one line and exit code 2", async (argv, expected) => {
    const { exitCode, stdout, stderr } = await bench(argv);
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    expect(stderr.split("\n").filter((line) => line.startsWith("stepdown-bench: "))).toHaveLength(1);
    expect(stderr).toContain(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it("a file that is not there, or no configuration, ends in one line and exit code 1", async () => {
    const noJson = join(folder, "no.json");
    const noModel = join(folder, "no-model.json");
    await writeFile(noJson, "{");
    await writeFile(noModel, JSON.stringify({ ...tinyConfig, hidden_size: -1 }));
    for (const path of [join(folder, "absent.json"), noJson, noModel]) {
      const { exitCode, stderr } = await bench(["decode", "--shape", path]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(path);
    }
    expect((await bench(["decode", "--model", join(folder, "absent")])).exitCode).toBe(1);
  });

  it("says with --json in JSON what went wrong", async () => {
    const { stdout } = await bench(["gemv", "--bits", "9", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "bad-use" } });
  });

  it.each(["making the weights", "filling a context", "interleaved"])(
    "a stop while %s ends in exit code 130 and no result",
    async (moment) => {
      const stop = new AbortController();
      const onTell = (text: string) => {
        if (text.includes(moment)) stop.abort();
      };
      const argv = ["decode", "--shape", shape, "--context", "2", "--repetitions", "10000"];
      const { exitCode, stdout, stderr } = await bench(argv, { signal: stop.signal, onTell });
      expect({ exitCode, stdout }).toEqual({ exitCode: 130, stdout: "" });
      expect(stderr).toMatch(/^stepdown-bench: stopped$/m);
    },
  );

  it("help is no failure", async () => {
    const { exitCode, stdout } = await bench(["gemv", "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Examples:\n {2}stepdown-bench gemv /);
  });
});
