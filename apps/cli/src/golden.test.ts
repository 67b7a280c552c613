import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "@stepdown/test-support";
import { describe, expect, it } from "vitest";
import { embeddedModelPath } from "./embedded-model.js";
import { stepdown } from "./test-helper/run-stepdown.js";

const read = (path: string | URL) => JSON.parse(readFileSync(path, "utf8"));

describe("the embedded model", () => {
  it("as float numbers writes, token by token, what another implementation wrote from the same files", async () => {
    const expected = read(join(repositoryRoot, "tooling/embedded-model/greedy.json"));
    const count = expected.continuationIds.length;
    const args = [
      "generate",
      "--model",
      embeddedModelPath,
      "--prompt",
      expected.prompt,
      "--max-new-tokens",
      String(count),
    ];
    const run = await stepdown([...args, "--json"]);
    expect(run.exitCode).toBe(0);
    const ids = JSON.parse(run.stdout).tokens.map((token: { id: number }) => token.id);
    expect(ids).toEqual(expected.continuationIds);
  });

  it("quantized by the demo writes its golden texts at fixed and falling precision", async () => {
    const golden = read(new URL("./fixtures/demo.json", import.meta.url));
    const run = await stepdown(["demo", "--prompt", golden.prompt, "--json"]);
    expect(run.exitCode).toBe(0);
    const runs = JSON.parse(run.stdout).runs.map(
      ({ schedule, text, tokens }: { schedule: string; text: string; tokens: { bits: number }[] }) => ({
        schedule,
        text,
        bits: tokens.map(({ bits }) => bits).join(""),
      }),
    );
    expect(runs).toEqual(golden.runs);
  });
});
