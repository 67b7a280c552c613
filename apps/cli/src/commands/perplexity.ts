import type { Precision } from "@stepdown/core";
import { InvalidArgumentError } from "@stepdown/core";
import { perplexity } from "@stepdown/metrics";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { loadModel } from "../load-model.js";
import { withExamples } from "../options/examples.js";
import { bitList, integer } from "../options/parse.js";
import { formatTable } from "../output/table.js";
import { formatBytes } from "../output/units.js";
import { readTextFile } from "./generate.js";

interface PerplexityOptions {
  readonly model: string;
  readonly text: string;
  readonly bits?: readonly number[];
  readonly float?: string;
  readonly tokensPerChunk: number;
  readonly chunks?: number;
  readonly json?: boolean;
}

interface PerplexityRow {
  readonly bits: Precision | "float";
  readonly effectiveBits: number;
  readonly bytes: number;
  readonly perplexity: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

/** `stepdown perplexity`: perplexity of every precision on a text. */
export function addPerplexityCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("perplexity")
    .description("Measure perplexity at several precisions: consecutive chunks, each scored alone.")
    .requiredOption("--model <dir>", "nested model directory, or a float checkpoint")
    .requiredOption("--text <file>", "UTF-8 text")
    .option("--bits <list>", "precisions, for example 2,3,4 (default: all the model holds)", bitList)
    .option("--float <checkpoint>", "add the row of a float checkpoint")
    .option("--tokens-per-chunk <n>", "tokens of a chunk", integer(2), 2048)
    .option("--chunks <n>", "score only the first n chunks", integer(1))
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown perplexity --model my-model --text wiki.txt --bits 2,3,4", "three precisions"],
    ["stepdown perplexity --model my-model --text wiki.txt --chunks 4 --float original", "beside the float model"],
  ]);
  command.action(async (options: PerplexityOptions) => {
    const text = await readTextFile(options.text);
    const rows: PerplexityRow[] = [];
    if (options.float !== undefined) rows.push(...(await score(options.float, undefined, text, options, context)));
    rows.push(...(await score(options.model, options.bits, text, options, context)));
    if (options.json) {
      context.print(`${JSON.stringify({ results: rows })}\n`);
      return;
    }
    context.print(
      `${formatTable(
        ["bits", "bits per weight", "read per token", "perplexity", "tokens", "tokens/s"],
        rows.map((row) => [
          String(row.bits),
          row.effectiveBits.toFixed(2),
          formatBytes(row.bytes),
          row.perplexity.toFixed(3),
          row.tokens.toLocaleString("en"),
          row.tokensPerSecond.toFixed(1),
        ]),
      )}\n`,
    );
  });
}

async function score(
  location: string,
  bits: readonly number[] | undefined,
  text: string,
  options: PerplexityOptions,
  context: CommandContext,
): Promise<PerplexityRow[]> {
  await using loaded = await loadModel(location, context, bits);
  const { model, tokenizer, checkpoint } = loaded;
  if (checkpoint.kind === "float" && bits !== undefined) {
    throw new InvalidArgumentError(
      `${location} is a float checkpoint and has no precision ${bits.join(", ")}. Leave --bits out, or quantize it first.`,
    );
  }
  const ids = tokenizer.encode(text);
  const display = context.startProgress();
  try {
    const rows: PerplexityRow[] = [];
    for (const precision of bits ?? model.precisions) {
      const result = await perplexity(model, ids, {
        precision,
        tokensPerChunk: options.tokensPerChunk,
        chunks: options.chunks,
        signal: context.signal,
        onProgress: (progress) => display.onProgress({ ...progress, phase: `${precision} bits: ${progress.phase}` }),
      });
      const cost = model.cost(precision);
      rows.push({
        bits: checkpoint.kind === "float" ? "float" : precision,
        effectiveBits: cost.effectiveBits,
        bytes: cost.bytes,
        perplexity: result.perplexity,
        tokens: result.tokensScored,
        tokensPerSecond: (1000 * result.tokensScored) / result.milliseconds,
      });
    }
    return rows;
  } finally {
    display.finish();
  }
}
