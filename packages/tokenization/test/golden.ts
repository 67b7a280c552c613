/** Reads the reference outputs for tokenizers: which cases there are is decided by the folder's own summaries and listings. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TextAssets } from "@stepdown/core";
import { dataPath, goldenPath } from "@stepdown/test-support";
import knownDeviations from "./known-deviations.json" with { type: "json" };

/** Parsed JSON file, or `undefined` where it is absent. */
export function readJson<Value = unknown>(...path: string[]): Value | undefined {
  const file = join(...path);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Value) : undefined;
}

/** Rows of a JSON Lines file; none where it is absent. */
export function readRows<Row>(...path: string[]): Row[] {
  const file = join(...path);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Row);
}

/** Text assets in a model's folder. */
export function readAssets(folder: string): TextAssets {
  return {
    tokenizerJson: readJson(folder, "tokenizer.json"),
    tokenizerConfig: readJson(folder, "tokenizer_config.json"),
    generationConfig: readJson(folder, "generation_config.json"),
  };
}

/** A set of reference encodings and the model whose tokenizer made them. */
export interface GoldenTokenizer {
  readonly name: string;
  /** Folder of the golden files `NAME.jsonl`, `NAME.streaming.jsonl`, `NAME.padded.jsonl`. */
  readonly folder: string;
  readonly assets: TextAssets;
}

/** Tokenizers named in the golden summary, found among the models by the checksum of their tokenizer.json. */
export function goldenTokenizers(): GoldenTokenizer[] {
  const folder = goldenPath("tokenizer");
  const models = dataPath("models");
  if (folder === undefined || models === undefined) return [];
  const byChecksum = new Map<string, string>();
  for (const model of readdirSync(models)) {
    const file = join(models, model, "tokenizer.json");
    if (existsSync(file))
      byChecksum.set(createHash("sha256").update(readFileSync(file)).digest("hex"), join(models, model));
  }
  const summary = readJson<Record<string, { tokenizer_json_sha256?: string }>>(folder, "summary.json") ?? {};
  return Object.entries(summary).flatMap(([name, entry]) => {
    const model = byChecksum.get(entry?.tokenizer_json_sha256 ?? "");
    return model === undefined ? [] : [{ name, folder, assets: readAssets(model) }];
  });
}

/** A row that is known to differ from the reference, and why. */
interface Deviation {
  readonly file: string;
  /** What names the row in its file: its text, or its group and name. */
  readonly row: string;
  readonly reason: string;
}

/**
 * Compares rows with what is known: `failures` are rows that differ without being listed, `stale` are listed rows that no
 * longer differ. Both must be empty. Listed rows that this golden set does not have are neither.
 */
export function judge(
  file: string,
  outcomes: readonly { row: string; problem: string | undefined }[],
): { failures: string[]; stale: string[] } {
  const listed = new Set(
    (knownDeviations as Deviation[]).filter((entry) => entry.file === file).map((entry) => entry.row),
  );
  return {
    failures: outcomes
      .filter(({ row, problem }) => problem !== undefined && !listed.has(row))
      .map(({ row, problem }) => `${JSON.stringify(row).slice(0, 120)}: ${problem}`),
    stale: outcomes.filter(({ row, problem }) => problem === undefined && listed.has(row)).map(({ row }) => row),
  };
}

/** Description of a difference, or `undefined` where there is none. */
export function difference(what: string, found: unknown, expected: unknown): string | undefined {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  if (left === right) return undefined;
  return `${what} is ${left?.slice(0, 300)}, expected ${right?.slice(0, 300)}`;
}
