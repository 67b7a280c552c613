import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { dataPath, goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, it } from "vitest";
import { bench } from "../test-helper/run.js";
import type { QualityDocument } from "./quality-document.js";
import type { QualityRow } from "./summarize.js";

/** Results of another implementation: perplexities per text and variant, with the losses of every chunk. */
type Results = Record<
  string,
  Record<string, { perplexity: number; perChunkNll: number[]; tokens: number; klMean?: number; sameTop?: number }>
>;

const resultsPath = goldenPath("quality", "results.json");
const tokensPath = goldenPath("quality", "tokens.safetensors");
const results: Results | undefined = resultsPath && JSON.parse(readFileSync(resultsPath, "utf8"));
/** The golden folder says in its README which model it is about. */
const readme = resultsPath && readFileSync(join(dirname(resultsPath), "README.md"), "utf8");
const model = dataPath(...(/`data\/(models\/[\w.-]+)`/.exec(readme ?? "")?.[1]?.split("/") ?? ["absent"]));
const isThere =
  results !== undefined && tokensPath !== undefined && model !== undefined && readdirSync(model).length > 0;

/** Tokens of the fast test: enough to tell a wrong packing or row order, few enough for every run of the tests. */
const PREFIX = 128;
/** The wide margin of a prefix: its mean divergence is not that of the whole text. */
const PREFIX_FACTOR = 2;
/** Float32 sums in another order: seen are differences of 1e-5 nats. */
const LOSS_TOLERANCE = 2e-4;

const ggufTypes = Object.keys(Object.values(results ?? {})[0] ?? {}).flatMap((name) => {
  const [, type] = /^gguf:(\w+)$/.exec(name) ?? [];
  return type === undefined ? [] : [type];
});

async function evaluate(text: string, tokensPerChunk: number): Promise<QualityRow[]> {
  const argv = ["quality", "--float", model!, "--text", `${text}=${tokensPath}`, "--gguf", ggufTypes.join(",")];
  const size = ["--tokens-per-chunk", String(tokensPerChunk), "--chunks", "1", "--threads", "1", "--json"];
  const { exitCode, stdout, stderr } = await bench([...argv, ...size]);
  expect({ exitCode, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, stderr: "" });
  return (JSON.parse(stdout) as QualityDocument).rows as QualityRow[];
}

describe.skipIf(!isThere)(isThere ? "golden quality" : skipReason("golden quality"), () => {
  const [text, variants] = Object.entries(results ?? {})[0] ?? ["", {}];

  it("has GGUF round trips diverge as much on the first tokens as on the whole text", async () => {
    const rows = await evaluate(text, PREFIX);
    expect(rows).toHaveLength(1 + ggufTypes.length);
    for (const [index, type] of ggufTypes.entries()) {
      const row = rows[index + 1]!;
      const expected = variants[`gguf:${type}`]!;
      expect(row.kl!.mean).toBeGreaterThan(expected.klMean! / PREFIX_FACTOR);
      expect(row.kl!.mean).toBeLessThan(expected.klMean! * PREFIX_FACTOR);
      expect(Math.abs(row.sameTop!.mean - expected.sameTop!)).toBeLessThan(0.15);
    }
  });

  const isLong = process.env.STEPDOWN_LONG_TESTS === undefined;
  it.skipIf(isLong)(
    `has the losses of the first chunk${isLong ? " (skipped: takes minutes; set STEPDOWN_LONG_TESTS=1 to run it)" : ""}`,
    async () => {
      const float = variants.float!;
      const tokensPerChunk = float.tokens / float.perChunkNll.length + 1;
      const rows = await evaluate(text, tokensPerChunk);
      expect(Math.abs(rows[0]!.chunkLosses[0]! - float.perChunkNll[0]!)).toBeLessThan(LOSS_TOLERANCE);
      for (const [index, type] of ggufTypes.entries()) {
        const expected = variants[`gguf:${type}`]!.perChunkNll[0]!;
        expect(Math.abs(rows[index + 1]!.chunkLosses[0]! - expected)).toBeLessThan(LOSS_TOLERANCE);
      }
    },
  );
});
