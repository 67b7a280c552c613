import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Tokenizer } from "@stepdown/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { embeddedModelPath } from "../embedded-model.js";
import { stepdown } from "../test-helper/run-stepdown.js";
import { cacheDirectory } from "./cache-directory.js";
import { drawOrder, readCalibrationChunks } from "./calibration-chunks.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-calibration-"));
  vi.stubEnv("STEPDOWN_CACHE", join(folder, "cache"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** One token per word, its number; 0 in front, as a start token would be. */
const tokenizer = { encode: (text: string) => [0, ...text.trim().split(/\s+/).map(Number)] } as unknown as Tokenizer;

async function chunksOf(name: string, content: string | Uint8Array, options: Readonly<Record<string, unknown>> = {}) {
  const file = join(folder, name);
  await writeFile(file, content);
  const defaults = { file, tokenizer, samples: 2, tokens: 3, exactly: false, seed: "none" } as const;
  return await readCalibrationChunks({ ...defaults, ...options });
}

describe("calibration chunks", () => {
  const documents = ["1 2", "3 4 5 6", "7", "8 9", "10 11 12"].map((text) => JSON.stringify({ text, url: "x" }));

  it("of documents are those with enough tokens, cut, none twice, in the order of the file or of a seed", async () => {
    const content = `${documents.join("\r\n")}\n\n`;
    expect(await chunksOf("a.jsonl", content)).toEqual([
      [0, 1, 2],
      [0, 3, 4],
    ]);
    const all = await chunksOf("a.jsonl", content, { seed: 5, samples: 9 });
    expect([...all].sort()).toEqual([...(await chunksOf("a.jsonl", content, { samples: 9 }))].sort());
    expect(all).toHaveLength(4);
    expect(await chunksOf("a.jsonl", content, { seed: 5, samples: 2 })).toEqual(all.slice(0, 2));
  });

  it("of a text are consecutive pieces, the rest dropped", async () => {
    expect(await chunksOf("a.txt", "1 2 3 4 5 6 7", { samples: 9 })).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
  });

  it("end with a clear message where texts run out or are none", async () => {
    const content = documents.join("\n");
    await expect(chunksOf("b.jsonl", content, { samples: 5, exactly: true })).rejects.toThrow(
      /has 4 pieces of 3 tokens; 5 were asked for/,
    );
    await expect(chunksOf("b.jsonl", content, { tokens: 6 })).rejects.toThrow(
      /5 documents, none of at least 6 .*has 5/,
    );
    await expect(chunksOf("b.txt", "1", {})).rejects.toThrow(/2 tokens, less than one piece of 3/);
    await expect(chunksOf("c.jsonl", '{"text":"1 2 3"}\n{"text":')).rejects.toThrow(/line 2 is no JSON/);
    await expect(chunksOf("c.jsonl", '{"text":"1 2 3"}\nnull')).rejects.toThrow(/line 2 has no field "text"/);
    await expect(chunksOf("latin1.txt", Buffer.from("1 é", "latin1"))).rejects.toThrow(/latin1\.txt is no UTF-8 text/);
  });

  it("are drawn in an order that holds every index once and depends on the seed alone", () => {
    const order = drawOrder(1000, 7);
    expect([...order].sort((a, b) => a - b)).toEqual(drawOrder(1000, "none"));
    expect(drawOrder(1000, 7)).toEqual(order);
    expect(drawOrder(1000, 8)).not.toEqual(order);
    expect(drawOrder(1, 0)).toEqual([0]);
  });
});

describe("the cache directory", () => {
  it("is the one asked for, else a folder in the user's cache", () => {
    expect(cacheDirectory({ STEPDOWN_CACHE: "x" }, "linux")).toBe(resolve("x"));
    expect(cacheDirectory({ XDG_CACHE_HOME: "/y" }, "linux")).toBe("/y/stepdown");
    expect(cacheDirectory({}, "linux")).toMatch(/\.cache\/stepdown$/);
    expect(cacheDirectory({}, "darwin")).toMatch(/Library\/Caches\/stepdown$/);
    expect(cacheDirectory({ LOCALAPPDATA: "/z" }, "win32")).toMatch(/z.stepdown.cache$/);
  });
});

describe("stepdown quantize --calibration", () => {
  it("measures every kind once, keeps it, says so when it is damaged, and quantizes differently with each", async () => {
    const text = join(folder, "stories.jsonl");
    const story = "Once upon a time there was a small dog. He liked to play in the park with his friends. ";
    await writeFile(text, [1, 5, 9].map((n) => JSON.stringify({ text: story.repeat(n) })).join("\n"));
    const cache = join(folder, "cache", "sensitivity");
    const quantize = async (kind: string, out: string): Promise<{ stderr: string; shards: unknown }> => {
      const options = ["--bits", "2", "--sensitivity", kind, "--calibration-tokens", "64", "--threads", "1"];
      const directory = join(folder, out);
      const run = await stepdown([
        "quantize",
        embeddedModelPath,
        "--out",
        directory,
        "--calibration",
        text,
        ...options,
      ]);
      expect(run).toMatchObject({ exitCode: 0 });
      const { quantization_config } = JSON.parse(await readFile(join(directory, "config.json"), "utf8"));
      expect(quantization_config.sensitivity.name).toBe(kind);
      const index = JSON.parse(await readFile(join(directory, "model.safetensors.index.json"), "utf8"));
      return { stderr: run.stderr, shards: index.metadata.shards };
    };
    const results = new Map<string, unknown>();
    for (const kind of ["second-moments", "fisher", "guided"]) {
      const { stderr, shards } = await quantize(kind, kind);
      expect(stderr).toContain("has 2 pieces of 64 tokens");
      results.set(kind, JSON.stringify(shards));
      expect((await readdir(cache)).filter((name) => name.startsWith(`${kind}-`))).toHaveLength(1);
    }
    expect(new Set(results.values()).size).toBe(3);
    const file = join(cache, (await readdir(cache)).find((name) => name.startsWith("fisher-"))!);
    const bytes = await readFile(file);
    const damaged = Uint8Array.from(bytes);
    damaged[damaged.length - 2]! ^= 1;
    await writeFile(file, damaged);
    const again = await quantize("fisher", "fisher-again");
    expect(again.stderr).toContain("measured again");
    expect(JSON.stringify(again.shards)).toBe(results.get("fisher"));
    expect(bytes.equals(await readFile(file))).toBe(true);
  });

  it("refuses a kind of sensitivity without a text", async () => {
    const run = await stepdown(["quantize", embeddedModelPath, "--out", join(folder, "x"), "--sensitivity", "fisher"]);
    expect(run).toMatchObject({ exitCode: 2 });
    expect(run.stderr).toMatch(/give --calibration/);
  });
});
