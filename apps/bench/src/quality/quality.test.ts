import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpoint } from "@stepdown/model-format";
import { quantizeCheckpoint } from "@stepdown/quantization";
import { repositoryRoot } from "@stepdown/test-support";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bench } from "../test-helper/run.js";
import type { QualityDocument } from "./quality-document.js";
import type { QualityRow } from "./summarize.js";

const floatModel = join(repositoryRoot, "apps/cli/assets/tiny-stories");
const story =
  "Once upon a time there was a small dog. The dog liked to play in the park with his friends. One day he found a big " +
  "red ball under a tree. He was so happy that he ran home to show it to the girl. The girl laughed and threw the ball. ";

let folder: string;
let nested: string;
let text: string;
let documents: string;
let latin1: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-quality-"));
  nested = join(folder, "nested");
  text = join(folder, "story.txt");
  documents = join(folder, "stories.jsonl");
  latin1 = join(folder, "latin1.txt");
  await using checkpoint = await openCheckpoint(floatModel);
  await quantizeCheckpoint({ checkpoint, directory: nested, seedBits: 2, bits: 4, threads: 0 });
  await writeFile(text, story.repeat(4));
  await writeFile(latin1, story.replaceAll("e", "é"), "latin1");
  const lines = ["left out", story, story.toUpperCase(), "left out"].map((each) => JSON.stringify({ text: each }));
  await writeFile(documents, `${lines.join("\n")}\n`);
});

afterAll(async () => await rm(folder, { recursive: true, force: true }));

/** Few tokens: these tests look at the form of the results and at their order. */
const short = ["--tokens-per-chunk", "48", "--chunks", "2"];

const common = (): string[] => [
  "quality",
  "--float",
  floatModel,
  "--model",
  nested,
  "--text",
  `story=${text}`,
  ...short,
];

async function document(argv: readonly string[]): Promise<{ found: QualityDocument; notes: string }> {
  const { exitCode, stdout, stderr } = await bench([...argv, "--json"]);
  expect({ exitCode, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, stderr: "" });
  return { found: JSON.parse(stdout), notes: stderr };
}

/** What has to agree between runs, the command line aside. */
const figures = ({ rows, pairs }: QualityDocument) => [rows, pairs];

const chunkLines = (notes: string): string[] => notes.split("\n").filter((line) => line.includes(", chunk "));

describe("stepdown-bench quality", () => {
  it("compares precisions and GGUF types with the float model, and writes page, picture and document", async () => {
    const out = join(folder, "page.md");
    const gguf = ["--gguf", "Q4_0,Q8_0"];
    const second = ["--text", `stories=${documents}#1-2`, "--threads", "1", "--out", out];
    const { found, notes } = await document([...common(), ...gguf, ...second]);

    expect(found.texts).toEqual([
      { name: "story", origin: "story.txt", chunks: 2 },
      { name: "stories", origin: "stories.jsonl#1-2", chunks: 2 },
    ]);
    for (const { name } of found.texts) {
      const own = found.rows.filter((row) => row.text === name);
      expect(own.map(({ variant }) => variant)).toEqual([
        "float",
        "codebook, seed 2: 2 bits",
        "codebook, seed 2: 3 bits",
        "codebook, seed 2: 4 bits",
        "GGUF block types: Q4_0",
        "GGUF block types: Q8_0",
      ]);
      const [float, two, three, four, q4, q8] = own as [QualityRow, ...QualityRow[]];
      expect(float).toMatchObject({ kl: null, kl99: null, sameTop: null, lossIncrease: null, tokens: 2 * 47 });
      const divergences = [two, three, four, q8].map((row) => row!.kl!.mean);
      expect(divergences).toEqual([...divergences].sort((a, b) => b - a));
      expect(q8!.kl!.mean).toBeLessThan(q4!.kl!.mean);
      expect(q4!.effectiveBits).toBeCloseTo(4.5, 10);
      expect(q8!.effectiveBits).toBeCloseTo(8.5, 10);
      expect(q8!.sameTop!.mean).toBeGreaterThan(two!.sameTop!.mean);
      expect(two!.kl99).toBeGreaterThan(two!.kl!.mean);
      for (const row of own) {
        const meanOfChunks = row.chunkLosses.reduce((sum, loss) => sum + loss, 0) / row.chunkLosses.length;
        expect(Math.log(row.perplexity)).toBeCloseTo(meanOfChunks, 6);
        if (row.lossIncrease !== null) expect(row.lossIncrease.mean).toBeCloseTo(row.loss.mean - float.loss.mean, 6);
      }
    }
    expect(chunkLines(notes)).toHaveLength(2 * 2 * 6);

    const page = await readFile(out, "utf8");
    for (const { variant } of found.rows) expect(page).toContain(`| ${variant} |`);
    expect(page).not.toContain(folder);
    expect(page).toContain("page/page.svg");
    expect(await readFile(join(folder, "page/page.svg"), "utf8")).toMatch(/^<svg .*<\/svg>\s*$/s);
    expect(JSON.parse(await readFile(join(folder, "page/page.json"), "utf8"))).toEqual(found);
  });

  it("finds, on the float model and at full precision, what perplexity finds", async () => {
    const run = await bench([...common(), "--threads", "1"]);
    expect(run.exitCode).toBe(0);
    const { found } = await document([...common(), "--threads", "1", "--outer-layers", "stored"]);
    const float = found.rows[0]!;
    expect(run.stdout).toContain(`${float.perplexity.toFixed(2)} ± ${float.perplexityStandardError!.toFixed(2)}`);
    const perplexity = float.perplexity;
    expect(perplexity).toBeGreaterThan(2);
    expect(perplexity).toBeLessThan(40);
  });

  it("goes on where it was stopped, with the figures of a run in one go, on any number of threads", async () => {
    const work = join(folder, "stopped.jsonl");
    const argv = [...common(), "--threads", "1", "--work", work];
    const controller = new AbortController();
    let told = 0;
    const stopped = await bench(argv, {
      signal: controller.signal,
      onTell: (line) => {
        told += line.includes(", chunk ") ? 1 : 0;
        if (told === 3) controller.abort();
      },
    });
    expect(stopped.exitCode).toBe(130);
    const kept = (await readFile(work, "utf8")).trim().split("\n");
    expect(kept).toHaveLength(3);
    // A line cut off in the middle, as a killed process leaves it, is no record.
    await writeFile(work, `${kept.slice(0, 2).join("\n")}\n${kept[2]!.slice(0, 200)}`);

    const { found: rest, notes } = await document([...argv, "--threads", "2"]);
    expect(chunkLines(notes)).toHaveLength(2 * 4 - 2);
    const { found: whole } = await document([...common(), "--threads", "1"]);
    expect(figures(rest)).toEqual(figures(whole));

    const { found: again, notes: silent } = await document(argv);
    expect(chunkLines(silent)).toHaveLength(0);
    expect(figures(again)).toEqual(figures(whole));
  });

  it("takes chosen precisions and names of models", async () => {
    const argv = ["quality", "--float", floatModel, "--text", `story=${text}`, ...short, "--threads", "1"];
    const models = ["--model", `first=${nested}@4`, "--model", `second=${nested}@3`];
    const { found } = await document([...argv, ...models]);
    expect(found.rows.map(({ variant }) => variant)).toEqual(["float", "first: 4 bits", "second: 3 bits"]);
    expect(found.command).toContain("--model first=nested@4");
    expect(found.command).not.toContain(folder);
  });

  it.each([
    ["a precision that is not there", () => ["--model", `${nested}@7`], 2, "holds 2, 3, 4 bits, not 7"],
    ["a K type that fits no layer", () => ["--gguf", "Q4_K"], 2, "all would be Q5_0. Use that."],
    ["a model given twice", () => ["--model", nested, "--model", nested], 2, "both called"],
    [
      "the same weights under two names",
      () => ["--model", `a=${nested}@3`, "--model", `b=${nested}@3`],
      2,
      "same weights",
    ],
    ["a float model as --model", () => ["--model", floatModel], 2, "is a float checkpoint"],
    ["a text that is not there", () => ["--text", "other=nowhere.txt"], 1, "nowhere.txt cannot be read"],
    ["a text in another encoding", () => ["--text", `other=${latin1}`], 1, "is no UTF-8 text"],
    ["two texts of one name", () => ["--text", `story=${documents}`], 2, "Two texts have one name"],
    ["parts of plain text", () => ["--text", `other=${text}#3`], 2, "plain text has no parts"],
    ["too short a text", () => ["--text", `other=${documents}#0-0`], 2, "too few"],
  ] as const)("refuses %s in one clear line", async (_, further, exitCode, message) => {
    const argv = ["quality", "--float", floatModel, "--text", `story=${text}`, ...short];
    const run = await bench([...argv, ...further()]);
    expect(run.exitCode).toBe(exitCode);
    expect(run.stderr.trim().split("\n").at(-1)).toContain(message);
  });

  it("asks for a text and a float model, and needs no more", async () => {
    const without = await bench(["quality", "--float", floatModel]);
    expect(without).toMatchObject({ exitCode: 2, stdout: "" });
    expect(without.stderr).toContain("--text <name=file>");
    const { found } = await document(["quality", "--float", floatModel, "--text", `story=${text}`, ...short]);
    expect(found.rows.map(({ variant }) => variant)).toEqual(["float"]);
  });
});
