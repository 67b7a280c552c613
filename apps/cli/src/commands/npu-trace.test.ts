import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { embeddedModelPath } from "../embedded-model.js";
import { stepdown } from "../test-helper/run-stepdown.js";

let folder: string;
let nested: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-npu-trace-"));
  nested = join(folder, "nested");
  expect(await stepdown(["quantize", embeddedModelPath, "--out", nested])).toMatchObject({ exitCode: 0 });
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

it("what generate --json printed goes straight into npu --trace, from a file and through a pipe", async () => {
  const prompt = ["--model", nested, "--prompt", "Once upon a time", "--max-new-tokens", "9"];
  const generated = await stepdown(["generate", ...prompt, "--schedule", "4,3@3,2@5", "--json"]);
  expect(generated).toMatchObject({ exitCode: 0, stderr: "" });
  const file = join(folder, "run.json");
  await writeFile(file, generated.stdout);
  const npu = ["npu", "--model", nested, "--hardware", "NPU-S", "--json"];
  const priced = await stepdown([...npu, "--trace", file, "--steps"]);
  expect(priced).toMatchObject({ exitCode: 0 });
  const { tokens, averageBits, promptTokens } = JSON.parse(generated.stdout);
  const { runs, codec, headBits } = JSON.parse(priced.stdout);
  expect({ codec, headBits }).toEqual({ codec: { codec: "codebook" }, headBits: 8 });
  expect(runs[0]).toMatchObject({ kind: "trace", promptTokens, newTokens: tokens.length, prefillBits: 4 });
  expect(runs[0].averageBits).toBeCloseTo(averageBits, 9);
  expect(runs[0].steps.map((step: { bits: number }) => step.bits)).toEqual([4, 4, 4, 3, 3, 2, 2, 2]);

  const piped = await stepdown([...npu, "--trace", "-", "--steps"], { input: generated.stdout });
  expect(piped.stdout).toBe(priced.stdout);

  const failed = await stepdown(["generate", ...prompt, "--schedule", "9", "--json"]);
  const refused = await stepdown([...npu, "--trace", "-"], { input: failed.stdout });
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/failed run/) });
});
