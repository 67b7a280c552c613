import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bench } from "../test-helper/run.js";
import { compareDocuments, verdictOn } from "./compare-documents.js";
import { type ComparedDocument, parseDocument } from "./read-document.js";

const machine = { cpu: "Some processor", cores: 2, node: "v20.0.0" };

function row(bits: number, samples: readonly number[], more: object = {}) {
  const key = { suite: "decode", case: "tiny", engine: "wasm", codec: "codebook", bits, threads: 1 };
  const sorted = [...samples].sort((a, b) => a - b);
  return { ...key, medianMilliseconds: sorted[samples.length >> 1] as number, reliable: true, samples, ...more };
}

function document(rows: readonly ReturnType<typeof row>[], more: object = {}) {
  return { specificationVersion: "v1", machine, rows, ...more };
}

const around = (milliseconds: number) => [0.98, 0.99, 1, 1.01, 1.02].map((factor) => factor * milliseconds);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-compare-test-"));
});

afterAll(async () => await rm(folder, { recursive: true, force: true }));

async function save(name: string, value: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}

describe("comparing documents", () => {
  it("tells faster, slower and the same apart", async () => {
    const first = await save("first.json", document([row(2, around(10)), row(3, around(10)), row(4, around(10))]));
    const second = await save("second.json", document([row(2, around(5)), row(3, around(20)), row(4, around(10.5))]));
    const { exitCode, stdout } = await bench(["compare", first, second, "--json"]);
    expect(exitCode).toBe(0);
    const { rows, noise } = JSON.parse(stdout);
    expect(noise).toBe(0.15);
    expect(rows.map(({ verdict }: { verdict: string }) => verdict)).toEqual(["faster", "slower", "noise"]);
    expect(rows[0].speedup).toBeCloseTo(2, 9);
    expect(rows[0].speedupLow).toBeLessThanOrEqual(2);
    expect(rows[0].speedupHigh).toBeGreaterThanOrEqual(2);
    const text = (await bench(["compare", first, second])).stdout;
    expect(text).toMatch(/codebook-2 .* FASTER$/m);
    expect(text).toMatch(/codebook-3 .* SLOWER$/m);
    expect(text).toContain("2 of 3 differ by more than 15 %");
  });

  it("finds nothing but noise between a document and itself", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 5, maxLength: 20 }),
        (samples) => {
          const one = document([row(2, samples)]) as ComparedDocument;
          expect(compareDocuments(one, one, 0).rows[0]).toMatchObject({ speedup: 1, verdict: "noise" });
        },
      ),
      { numRuns: 30 },
    );
  });

  it("gives the opposite verdict the other way round", () => {
    const one = document([row(2, around(10))]) as ComparedDocument;
    const other = document([row(2, around(6))]) as ComparedDocument;
    expect(compareDocuments(one, other, 0.15).rows[0]?.verdict).toBe("faster");
    expect(compareDocuments(other, one, 0.15).rows[0]?.verdict).toBe("slower");
  });

  it("only takes an interval for beyond the noise when all of it is", () => {
    expect(verdictOn({ ratio: 1.5, low: 1.16, high: 2 }, 0.15)).toBe("faster");
    expect(verdictOn({ ratio: 1.5, low: 1.14, high: 2 }, 0.15)).toBe("noise");
    expect(verdictOn({ ratio: 0.7, low: 0.5, high: 0.86 }, 0.15)).toBe("slower");
    expect(verdictOn({ ratio: 0.7, low: 0.5, high: 0.88 }, 0.15)).toBe("noise");
    expect(verdictOn({ ratio: 3 }, 0.15)).toBe("unknown");
  });

  it("names rows that only one document has, and different machines", () => {
    const first = document([row(2, around(10)), row(3, around(10))]) as ComparedDocument;
    const second = document([row(2, around(10)), row(3, around(10), { threads: 2 })], {
      machine: { ...machine, node: "v22.0.0" },
    }) as ComparedDocument;
    const { rows, onlyInFirst, onlyInSecond, machineDifferences } = compareDocuments(first, second, 0.15);
    expect(rows).toHaveLength(1);
    expect(onlyInFirst).toEqual(["decode tiny: wasm/codebook-3, 1 thread"]);
    expect(onlyInSecond).toEqual(["decode tiny: wasm/codebook-3, 2 threads"]);
    expect(machineDifferences).toEqual(["node: v20.0.0, then v22.0.0"]);
  });

  it("reads what a suite writes", async () => {
    const argv = ["gemv", "--shapes", "16x32", "--cache", "hot", "--bits", "2", "--repetitions", "5", "--retries", "0"];
    const { stdout } = await bench([...argv, "--json"]);
    const path = await save("own.json", stdout);
    const { exitCode, stdout: compared } = await bench(["compare", path, path, "--json"]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(compared).rows.map(({ speedup }: { speedup: number }) => speedup)).toEqual([1, 1]);
  });
});

describe("bad documents", () => {
  it.each([
    ["no JSON", "{"],
    ["a list", []],
    ["another version", document([], { specificationVersion: "v0" })],
    ["no rows", document([], { rows: "none" })],
    ["no samples", document([row(2, [])])],
    ["times that are none", document([row(2, [1, -1, 1, 1, 1])])],
    ["control characters", document([row(2, around(1), { case: "\u001b[2J" })])],
    ["no machine", document([], { machine: null })],
  ])("with %s are refused in one line", async (name, value) => {
    const path = await save(`bad-${name.replaceAll(" ", "-")}.json`, value);
    const { exitCode, stdout, stderr } = await bench(["compare", path, path]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/^stepdown-bench: .*bad-.*\n$/);
  });

  it("that are absent are named", async () => {
    const { exitCode, stderr } = await bench(["compare", join(folder, "absent.json"), join(folder, "absent.json")]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("absent.json");
  });

  it("never make the reader throw anything but its own errors", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const wrapped = [value, { specificationVersion: "v1", machine, rows: value }, document([value as never])];
        for (const candidate of wrapped) {
          try {
            parseDocument(candidate, "x");
          } catch (error) {
            expect((error as { code?: string }).code).toMatch(/^(invalid-file|unsupported)$/);
          }
        }
      }),
    );
  });
});
