import { cp, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { embeddedModelPath } from "./embedded-model.js";
import { stepdown } from "./test-helper/run-stepdown.js";

let folder: string;
let nested: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-cli-"));
  nested = join(folder, "nested");
  const run = await stepdown(["quantize", embeddedModelPath, "--out", nested, "--bits", "4"]);
  expect(run).toMatchObject({ exitCode: 0 });
});

afterAll(async () => await rm(folder, { recursive: true, force: true }));

async function json(args: readonly string[]) {
  const run = await stepdown([...args, "--json"]);
  expect(run.stderr).toBe("");
  expect(run.exitCode).toBe(0);
  return JSON.parse(run.stdout);
}

describe("stepdown quantize", () => {
  it("weighs errors by activations on a calibration text, in both codecs, and records it", async () => {
    const text = join(folder, "calibration.txt");
    await writeFile(
      text,
      "Once upon a time there was a small dog. He liked to play in the park with his friends. ".repeat(20),
    );
    for (const codec of ["codebook", "bcq"]) {
      const shards: unknown[] = [];
      for (const calibration of [[], ["--calibration", text, "--calibration-tokens", "128"]]) {
        const out = join(folder, `${codec}-${calibration.length}`);
        const run = await stepdown([
          "quantize",
          embeddedModelPath,
          "--out",
          out,
          "--codec",
          codec,
          "--bits",
          "3",
          ...calibration,
        ]);
        expect(run).toMatchObject({ exitCode: 0 });
        const { quantization_config } = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
        expect(quantization_config.codec).toBe(codec);
        expect(quantization_config.sensitivity?.name).toBe(calibration.length === 0 ? undefined : "second-moments");
        shards.push(JSON.parse(await readFile(join(out, "model.safetensors.index.json"), "utf8")).metadata.shards);
        const said = await json([
          "generate",
          "--model",
          out,
          "--prompt",
          "Once upon a time",
          "--schedule",
          "3,2@2",
          "--max-new-tokens",
          "5",
        ]);
        expect(said.tokens).toHaveLength(5);
      }
      expect(shards[1]).not.toEqual(shards[0]);
    }
  });

  it("gives every group of columns tables of its own", async () => {
    const out = join(folder, "groups");
    const made = await json(["quantize", embeddedModelPath, "--out", out, "--bits", "3", "--group-count", "2"]);
    const shape = await json(["inspect", nested]);
    const more = made.precisions[1].effectiveBits - shape.precisions[1].effectiveBits;
    const { hiddenSize, intermediateSize } = shape.shapes;
    expect(more).toBeGreaterThan((16 * 8) / intermediateSize);
    expect(more).toBeLessThan((16 * 8) / hiddenSize);
    const said = await json([
      ...["generate", "--model", out, "--prompt", "Once upon a time", "--schedule", "3,2@2"],
      ...["--max-new-tokens", "5"],
    ]);
    expect(said.tokens).toHaveLength(5);
    const refused = await stepdown([
      "quantize",
      embeddedModelPath,
      "--out",
      join(folder, "never"),
      "--group-count",
      "5",
    ]);
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toMatch(/groupCount is 5; the 192 columns of model\.layers\.0/);
  });

  it("refuses a calibration text that is too short before any work", async () => {
    const text = join(folder, "short.txt");
    await writeFile(text, "Too short.");
    const out = join(folder, "never-made");
    const run = await stepdown(["quantize", embeddedModelPath, "--out", out, "--calibration", text]);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toMatch(/short\.txt has \d+ tokens/);
    expect((await readdir(folder)).filter((name) => name.startsWith("never-made"))).toEqual([]);
  });
});

describe("stepdown generate", () => {
  it("writes the documented JSON and follows the schedule step by step", async () => {
    const result = await json([
      "generate",
      "--model",
      nested,
      "--prompt",
      "Once upon a time",
      "--schedule",
      "4,3@3,2@5",
      "--max-new-tokens",
      "8",
    ]);
    expect(Object.keys(result)).toEqual([
      "text",
      "tokens",
      "prefillBits",
      "averageBits",
      "bytesPerToken",
      "tokensPerSecond",
      "finishReason",
      "promptTokens",
    ]);
    expect(result.tokens.map((token: { bits: number }) => token.bits)).toEqual([4, 4, 4, 4, 3, 3, 2, 2]);
    expect(result.tokens.map((token: { text: string }) => token.text).join("")).toBe(result.text);
    expect(result.prefillBits).toBe(4);
    expect(result.averageBits).toBeCloseTo((4 * 3 + 3 * 2 + 2 * 2) / 7, 9);
    expect(result.finishReason).toBe("length");
  });

  it("reads fewer bytes per token at fewer bits", async () => {
    const bytes: number[] = [];
    for (const schedule of ["2", "3", "4"]) {
      bytes.push(
        (
          await json([
            "generate",
            "--model",
            nested,
            "--prompt",
            "A dog",
            "--schedule",
            schedule,
            "--max-new-tokens",
            "4",
          ])
        ).bytesPerToken,
      );
    }
    expect(bytes[0]).toBeLessThan(bytes[1] as number);
    expect(bytes[1]).toBeLessThan(bytes[2] as number);
  });

  it("is reproducible with a seed and varies with it", async () => {
    const sample = async (seed: string) =>
      (
        await json([
          "generate",
          "--model",
          nested,
          "--prompt",
          "The cat",
          "--temperature",
          "1",
          "--seed",
          seed,
          "--max-new-tokens",
          "24",
        ])
      ).text;
    const first = await sample("1");
    expect(await sample("1")).toBe(first);
    expect(await sample("2")).not.toBe(first);
  });

  it("ends before a stop string", async () => {
    const free = await json(["generate", "--model", nested, "--prompt", "Once upon a time", "--max-new-tokens", "40"]);
    const stop = free.text.slice(12, 17);
    const result = await json([
      "generate",
      "--model",
      nested,
      "--prompt",
      "Once upon a time",
      "--max-new-tokens",
      "40",
      "--stop",
      stop,
    ]);
    expect(result.finishReason).toBe("stop-string");
    expect(result.text).toBe(free.text.slice(0, free.text.indexOf(stop)));
  });

  it("prints plain text to a pipe and the summary beside it", async () => {
    const run = await stepdown([
      "generate",
      "--model",
      nested,
      "--prompt",
      "Once upon a time",
      "--schedule",
      "4,2@2",
      "--max-new-tokens",
      "6",
    ]);
    expect(run.stdout).not.toContain("\x1b");
    expect(run.stderr).toContain("average");
    expect(run.stderr).toContain("[2] 2 bits × 3");
  });
});

describe("stepdown inspect, perplexity and chat", () => {
  it("inspect reports every precision of a nested model and the one of a float checkpoint", async () => {
    const inspected = await json(["inspect", nested]);
    expect(inspected.precisions.map((row: { bits: number }) => row.bits)).toEqual([2, 3, 4]);
    expect(inspected.codec).toBe("codebook");
    for (const row of inspected.precisions) expect(row.effectiveBits).toBeGreaterThan(row.bits);
    const original = await json(["inspect", embeddedModelPath]);
    expect(original.kind).toBe("float");
    expect(original.precisions.map((row: { bits: string }) => row.bits)).toEqual(["float"]);
  });

  it("perplexity falls towards the float model's as bits are added", async () => {
    const text = join(folder, "text.txt");
    const story = await json([
      "generate",
      "--model",
      embeddedModelPath,
      "--prompt",
      "Once upon a time",
      "--max-new-tokens",
      "300",
    ]);
    await writeFile(text, `Once upon a time${story.text}`);
    const { results } = await json([
      "perplexity",
      "--model",
      nested,
      "--text",
      text,
      "--bits",
      "2,3,4",
      "--float",
      embeddedModelPath,
      "--tokens-per-chunk",
      "64",
      "--chunks",
      "2",
    ]);
    expect(results.map((row: { bits: number | string }) => row.bits)).toEqual(["float", 2, 3, 4]);
    const keys = ["bits", "effectiveBits", "bytes", "perplexity", "tokens", "tokensPerSecond"];
    const compared = ["klMean", "kl99", "sameTop", "standardErrors"];
    for (const [index, row] of results.entries())
      expect(Object.keys(row)).toEqual([...keys, ...(index === 0 ? ["standardErrors"] : compared)]);
    expect(results[1].klMean).toBeGreaterThan(results[3].klMean);
    expect(results[3].kl99).toBeGreaterThan(results[3].klMean);
    expect(results[3].sameTop).toBeGreaterThan(results[1].sameTop);
    expect(Object.keys(results[3].standardErrors)).toEqual(["perplexity", "klMean", "sameTop"]);
    const [float, two, three, four] = results.map((row: { perplexity: number }) => row.perplexity);
    expect(two).toBeGreaterThan(three);
    expect(three).toBeGreaterThan(four);
    expect(four).toBeGreaterThan(float);
    expect(results[0].tokens).toBe(2 * 63);
  });

  it("chat answers every line of a pipe, keeping the conversation", async () => {
    const directory = join(folder, "chatty");
    await cp(nested, directory, { recursive: true });
    const settings = join(directory, "tokenizer_config.json");
    const template = "{% for m in messages %}{{ m.content }} {% endfor %}";
    await writeFile(
      settings,
      JSON.stringify({ ...JSON.parse(await readFile(settings, "utf8")), chat_template: template }),
    );
    const args = ["chat", "--model", directory, "--schedule", "4,2@3", "--max-new-tokens", "6"];
    const input = "Once upon a time\n\nThe dog was\n/reset\nOnce upon a time\n/exit\nnever read\n";
    const run = await stepdown([...args, "--json"], { input });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const { turns } = JSON.parse(run.stdout);
    expect(turns.map((turn: { user: string }) => turn.user)).toEqual([
      "Once upon a time",
      "The dog was",
      "Once upon a time",
    ]);
    expect(turns[2].assistant).toBe(turns[0].assistant);
    expect(turns[0].averageBits).toBeCloseTo((4 * 3 + 2 * 2) / 5, 9);
    const plain = await stepdown(args, { input: "Once upon a time\n" });
    expect(plain.stdout.trim()).toBe(turns[0].assistant);
  });

  it("chat says at once when the model has no chat template", async () => {
    const run = await stepdown(["chat", "--model", nested], { input: "Hello\n" });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(/template/);
  });
});

describe("bad input ends in one clear line and leaves nothing behind", () => {
  const generate = (...args: string[]) => ["generate", "--prompt", "Once", "--max-new-tokens", "4", ...args];

  async function damaged(change: (shard: string, directory: string) => Promise<void>): Promise<string> {
    const directory = await mkdtemp(join(folder, "damaged-"));
    await cp(nested, directory, { recursive: true });
    const shard = (await readdir(directory)).filter((name) => name.endsWith(".safetensors")).sort()[0] as string;
    await change(join(directory, shard), directory);
    return directory;
  }

  async function expectFailure(args: readonly string[], exitCode: 1 | 2, message: RegExp): Promise<void> {
    const run = await stepdown(args);
    expect(run.stderr).toMatch(message);
    expect(run.exitCode).toBe(exitCode);
    expect(run.stderr.trim().split("\n")).toHaveLength(1);
    expect(run.stdout).toBe("");
  }

  it("a directory that is no model", async () =>
    await expectFailure(generate("--model", tmpdir()), 1, /is no model|no config\.json/));

  it("a path that does not exist", async () =>
    await expectFailure(generate("--model", join(folder, "nowhere")), 1, /nowhere/));

  it("a truncated shard", async () => {
    const directory = await damaged(async (shard) => {
      const file = await open(shard, "r+");
      await file.truncate((await file.stat()).size - 100);
      await file.close();
    });
    await expectFailure(generate("--model", directory), 1, /model-00001-of-0000\d\.safetensors/);
  });

  it("a wrong checksum", async () => {
    const directory = await damaged(async (shard) => {
      const bytes = await readFile(shard);
      bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 0x10;
      await writeFile(shard, bytes);
    });
    await expectFailure(generate("--model", directory), 1, /checksum|SHA-256/i);
  });

  it("a precision the model does not have", async () =>
    await expectFailure(generate("--model", nested, "--schedule", "7"), 1, /7.*2, 3, 4|2, 3, 4.*7/));

  it("schedules that cannot be", async () => {
    await expectFailure(generate("--model", nested, "--schedule", "3,4@10"), 2, /3,4@10/);
    await expectFailure(generate("--model", nested, "--schedule", "four"), 2, /four/);
    await expectFailure(generate("--model", nested, "--schedule", "4,3@120%"), 2, /120/);
  });

  it("a prompt longer than the context", async () => {
    const prompt = join(folder, "long.txt");
    await writeFile(prompt, "Once upon a time there was a dog. ".repeat(400));
    await expectFailure(["generate", "--model", nested, "--prompt-file", prompt], 1, /512/);
  });

  it("an output that cannot be written", async () => {
    const file = join(folder, "a-file");
    await writeFile(file, "mine");
    await expectFailure(["quantize", embeddedModelPath, "--out", join(file, "model")], 1, /a-file/);
    await expectFailure(["quantize", embeddedModelPath, "--out", file], 1, /a-file/);
    expect(await readFile(file, "utf8")).toBe("mine");
  });

  it("an output folder that holds something else", async () => {
    const directory = await mkdtemp(join(folder, "foreign-"));
    await writeFile(join(directory, "thesis.txt"), "years of work");
    await expectFailure(["quantize", embeddedModelPath, "--out", directory], 1, /foreign-/);
    expect(await readdir(directory)).toEqual(["thesis.txt"]);
    expect(await stepdown(["quantize", embeddedModelPath, "--out", directory, "--overwrite"])).toMatchObject({
      exitCode: 0,
    });
    expect(await readFile(join(directory, "thesis.txt"), "utf8")).toBe("years of work");
    await expectFailure(["quantize", embeddedModelPath, "--out", directory, "--bits", "3"], 1, /foreign-/);
    expect((await json(["inspect", directory])).precisions).toHaveLength(3);
  });

  it("unknown options and impossible numbers", async () => {
    await expectFailure(["generate", "--model", nested, "--prompt", "x", "--bogus"], 2, /--bogus/);
    await expectFailure(generate("--model", nested, "--top-k", "0"), 2, /whole number/);
    await expectFailure(
      ["quantize", embeddedModelPath, "--out", join(folder, "never"), "--seed-bits", "4", "--bits", "3"],
      2,
      /--seed-bits/,
    );
  });

  it("an unknown scheduler, and a module that is none", async () => {
    await expectFailure(generate("--model", nested, "--scheduler", "./nothing.mjs"), 1, /nothing\.mjs/);
    const module = join(folder, "empty.mjs");
    await writeFile(module, "export const hello = 1;\n");
    await expectFailure(generate("--model", nested, "--scheduler", module), 1, /createScheduler/);
  });

  it("with --json the error is a document too", async () => {
    const run = await stepdown([...generate("--model", nested, "--schedule", "9"), "--json"]);
    expect(run.exitCode).toBe(2);
    expect(JSON.parse(run.stdout).error).toMatchObject({ code: "invalid-schedule" });
  });
});
