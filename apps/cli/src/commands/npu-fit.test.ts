import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createHardware,
  type ModelShape,
  predictMilliseconds,
  SMOLLM2_135M,
  TINYLLAMA_1_1B,
} from "@stepdown/npu-model";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { npu, npuJson } from "../npu/test-helper/run-npu.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-npu-fit-"));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

const OVERHEAD = 0.4e-3;
const BANDWIDTH = 20e9;
const LOOK_UPS = 100e9;

/** A made-up machine whose times are exact. */
const truth = createHardware({
  name: "truth",
  compute: { kind: "bit-serial", planeWeightsPerSecond: LOOK_UPS, denseMacsPerSecond: Number.POSITIVE_INFINITY },
  bandwidthBytesPerSecond: BANDWIDTH,
  stepOverheadSeconds: OVERHEAD,
  headBits: 8,
  keyValueBits: 32,
});

/** A row as the benchmark writes it. */
function row(model: ModelShape, title: string, bits: number, context: number, more: object = {}): object {
  const step = { model, precision: bits, contextTokens: context };
  return {
    suite: "decode",
    case: `${title} shape, context ${context}`,
    engine: "wasm",
    codec: "codebook",
    bits,
    threads: 2,
    medianMilliseconds: predictMilliseconds({ hardware: truth, codec: { codec: "codebook" } }, step),
    reliable: true,
    bytes: null,
    ...more,
  };
}

const rows = [2, 3, 4, 6, 8].flatMap((bits) => [
  row(SMOLLM2_135M, "SmolLM2-135M", bits, 128),
  row(SMOLLM2_135M, "SmolLM2-135M", bits, 2000),
  row(TINYLLAMA_1_1B, "TinyLlama-1.1B", bits, 128),
]);

async function document(list: readonly object[], more: object = {}): Promise<string> {
  const path = join(await mkdtemp(join(folder, "rows-")), "bench.json");
  const machine = { cpu: "Imaginary 9000" };
  await writeFile(path, JSON.stringify({ specificationVersion: "v1", machine, rows: list, ...more }));
  return path;
}

describe("stepdown npu fit", () => {
  it("finds the machine, predicts the bits it did not see, and writes what --hardware reads", async () => {
    const path = await document(rows);
    const out = join(folder, "machine.json");
    const { fitted, ...rest } = await npuJson(["fit", path, "--out", out]);
    expect(fitted).toBeUndefined();
    expect(rest).toMatchObject({ name: "Imaginary 9000, wasm, 2 threads", heldOutBits: [3, 6], fittedBits: [2, 4, 8] });
    expect(rest.bandwidth.perSecond / BANDWIDTH).toBeCloseTo(1, 5);
    expect(rest.overheadSeconds).toBeCloseTo(OVERHEAD, 8);
    expect(rest.heldOutErrors.largest).toBeLessThan(1e-5);
    for (const held of rest.rows) expect(held.heldOut).toBe([3, 6].includes(held.bits));

    expect(JSON.parse(await readFile(out, "utf8"))).toMatchObject({
      profile: "measured",
      codec: { codec: "codebook" },
    });
    const model = ["--model", "smollm2-135m", "--hardware", out];
    const lengths = ["--prompt-tokens", "128", "--new-tokens", "2"];
    const priced = await npuJson([...model, ...lengths, "--schedule", "3", "--steps"]);
    expect(priced).toMatchObject({ profile: "measured", headBits: 8, cacheBits: 32 });
    const measured = rest.rows.find((entry: { bits: number; contextTokens: number }) => entry.bits === 3);
    expect(priced.runs[0].steps[0].seconds / (measured.milliseconds / 1e3)).toBeCloseTo(1, 5);
  });

  it("prints measured beside predicted", async () => {
    const { stdout, stderr } = await npu(["fit", await document(rows), "--hold-out", "2"]);
    expect(stdout).toMatch(/bandwidth +20\.00 GB\/s/);
    expect(stdout).toMatch(/SmolLM2-135M, 128 +2 +[\d.]+ ms +[\d.]+ ms +[+-]0\.00 % +held out/);
    expect(stdout).toMatch(/errors of held-out rows \(2 bits\): root mean square 0\.0 %/);
    expect(stderr).not.toMatch(/check --head-bits/);
  });

  it("reads several documents of one machine, not of two", async () => {
    const [one, two] = [await document(rows.slice(0, 8)), await document(rows.slice(8))];
    expect((await npuJson(["fit", one, two])).rows).toHaveLength(rows.length);
    const other = await document(rows.slice(8), { machine: { cpu: "Other" } });
    expect((await npu(["fit", one, other])).stderr).toMatch(/Imaginary 9000; Other/);
  });

  it("leaves dense baselines out and wants a choice between engines", async () => {
    const dense = row(SMOLLM2_135M, "SmolLM2-135M", 16, 128, { codec: "dense" });
    const run = await npu(["fit", await document([...rows, dense])]);
    expect(run.stderr).toMatch(/1 of 16 rows/);
    const slow = row(SMOLLM2_135M, "SmolLM2-135M", 4, 128, { engine: "reference" });
    const two = await document([...rows, slow]);
    expect(await npu(["fit", two])).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/wasm, reference/) });
    expect((await npuJson(["fit", two, "--engine", "wasm"])).rows).toHaveLength(rows.length);
  });

  it("counts processor time per thread where it is asked to", async () => {
    const doubled = rows.map((entry) => {
      const { medianMilliseconds } = entry as { medianMilliseconds: number };
      return { ...entry, medianMilliseconds: 1e6, processorMilliseconds: 2 * medianMilliseconds };
    });
    const fit = await npuJson(["fit", await document(doubled), "--time", "processor"]);
    expect(fit.overheadSeconds).toBeCloseTo(OVERHEAD, 8);
  });

  it("says when the benchmark counts other bytes than this model, and when rows were disturbed", async () => {
    const odd = rows.map((entry) => ({ ...entry, bytes: 1, reliable: false }));
    const { notes } = await npuJson(["fit", await document(odd)]);
    expect(notes.join(" ")).toMatch(/15 of 15 rows.*check --head-bits/);
  });

  it.each([
    [{ rows: [] }, 1, /no rows of suite decode/],
    [{ rows: 3 }, 1, /no list rows/],
    [{ specificationVersion: "v2" }, 1, /"v2"/],
    [{ rows: [{ suite: "decode", case: "SmolLM2-135M" }] }, 1, /rows\[0\]\.case/],
    [{ rows: [row(SMOLLM2_135M, "GPT-99", 4, 128)] }, 1, /GPT-99.*--model/],
    [{ rows: [row(SMOLLM2_135M, "SmolLM2-135M", 4, 128, { bits: 4.5 })] }, 1, /rows\[0\]\.bits/],
    [{ rows: [row(SMOLLM2_135M, "SmolLM2-135M", 4, 128, { medianMilliseconds: -1 })] }, 1, /medianMilliseconds/],
    [{ rows: rows.slice(0, 2) }, 2, /3 to/],
  ])("refuses documents that cannot be fitted: %#", async (change, exitCode, message) => {
    const run = await npu(["fit", await document(rows, change)]);
    expect(run.stderr).toMatch(message);
    expect(run).toMatchObject({ exitCode, stdout: "" });
  });
});
