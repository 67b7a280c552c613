import type { Precision } from "@stepdown/core";
import { InvalidArgumentError } from "@stepdown/core";
import { divergenceFromFloat, type Estimate, estimate, percentile, perplexity } from "@stepdown/metrics";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { type LoadedModel, loadModel } from "../load-model.js";
import { withExamples } from "../options/examples.js";
import { bitList, integer } from "../options/parse.js";
import { threadsOption } from "../options/threads.js";
import { formatTable } from "../output/table.js";
import { formatBytes } from "../output/units.js";
import { readTextFile } from "../read-text-file.js";

interface PerplexityOptions {
  readonly model: string;
  readonly text: string;
  readonly bits?: readonly number[];
  readonly float?: string;
  readonly tokensPerChunk: number;
  readonly chunks?: number;
  readonly threads?: number;
  readonly json?: boolean;
}

interface PerplexityRow {
  readonly bits: Precision | "float";
  readonly effectiveBits: number;
  readonly bytes: number;
  readonly perplexity: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** Mean and 99th percentile of KL(float ‖ this precision), nats per token; beside the float model only. */
  readonly klMean?: number;
  readonly kl99?: number;
  /** Share of positions with the float model's most likely token. */
  readonly sameTop?: number;
  /** Of the figures of the same names, over tokens; beside the float model only. */
  readonly standardErrors?: { readonly perplexity?: number; readonly klMean?: number; readonly sameTop?: number };
}

/** `stepdown perplexity`: perplexity of every precision on a text. */
export function addPerplexityCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("perplexity")
    .description("Measure perplexity at several precisions: consecutive chunks, each scored alone.")
    .requiredOption("--model <dir>", "nested model directory, or a float checkpoint")
    .requiredOption("--text <file>", "UTF-8 text")
    .option("--bits <list>", "precisions, for example 2,3,4 (default: all the model holds)", bitList)
    .option("--float <checkpoint>", "compare with a float checkpoint: its row, KL divergence, same top")
    .option("--tokens-per-chunk <n>", "tokens of a chunk", integer(2), 2048)
    .option("--chunks <n>", "score only the first n chunks", integer(1))
    .addOption(threadsOption())
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown perplexity --model my-model --text wiki.txt --bits 2,3,4", "three precisions"],
    ["stepdown perplexity --model my-model --text wiki.txt --chunks 4 --float original", "KL divergence to float"],
  ]);
  command.action(async (options: PerplexityOptions) => {
    const text = await readTextFile(options.text);
    const rows =
      options.float === undefined
        ? await score(text, options, context)
        : await compare(options.float, text, options, context);
    if (options.json) context.print(`${JSON.stringify({ results: rows })}\n`);
    else context.print(`${formatRows(rows, options.float !== undefined)}\n`);
  });
}

function formatRows(rows: readonly PerplexityRow[], compared: boolean): string {
  const header = ["bits", "bits per weight", "read per token", "perplexity", "tokens", "tokens/s"];
  const number = (value: number | undefined, error: number | undefined): string =>
    value === undefined ? "–" : `${value.toFixed(4)}${error === undefined ? "" : ` ± ${error.toFixed(4)}`}`;
  return formatTable(
    compared ? [...header, "KL to float", "KL 99 %", "same top"] : header,
    rows.map((row) => {
      const { standardErrors: errors = {} } = row;
      const cells = [
        String(row.bits),
        row.effectiveBits.toFixed(2),
        formatBytes(row.bytes),
        `${row.perplexity.toFixed(3)}${errors.perplexity === undefined ? "" : ` ± ${errors.perplexity.toFixed(3)}`}`,
        row.tokens.toLocaleString("en"),
        row.tokensPerSecond.toFixed(1),
      ];
      const further = [
        number(row.klMean, errors.klMean),
        number(row.kl99, undefined),
        number(row.sameTop, errors.sameTop),
      ];
      return compared ? [...cells, ...further] : cells;
    }),
  );
}

/** Every precision alone. */
async function score(text: string, options: PerplexityOptions, context: CommandContext): Promise<PerplexityRow[]> {
  await using loaded = await loadModel(options.model, context, { precisions: options.bits, threads: options.threads });
  const { model, tokenizer } = loaded;
  const precisions = chosenPrecisions(loaded, options);
  const ids = tokenizer.encode(text);
  const display = context.startProgress();
  try {
    const rows: PerplexityRow[] = [];
    for (const precision of precisions) {
      const result = await perplexity(model, ids, {
        precision,
        tokensPerChunk: options.tokensPerChunk,
        chunks: options.chunks,
        signal: context.signal,
        onProgress: (progress) => display.onProgress({ ...progress, phase: `${precision} bits: ${progress.phase}` }),
      });
      rows.push({
        ...factsOf(loaded, precision),
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

/** Every precision beside the float model, token by token; the float model's row first. */
async function compare(
  location: string,
  text: string,
  options: PerplexityOptions,
  context: CommandContext,
): Promise<PerplexityRow[]> {
  await using float = await loadModel(location, context, { threads: options.threads });
  await using loaded = await loadModel(options.model, context, { precisions: options.bits, threads: options.threads });
  const precisions = chosenPrecisions(loaded, options);
  const ids = loaded.tokenizer.encode(text);
  const display = context.startProgress();
  try {
    const result = await divergenceFromFloat(float.model, loaded.model, ids, {
      precisions,
      tokensPerChunk: options.tokensPerChunk,
      chunks: options.chunks,
      signal: context.signal,
      onProgress: display.onProgress,
    });
    const { tokensScored: tokens } = result;
    const speed = (milliseconds: number): number => (1000 * tokens) / milliseconds;
    const rows = result.precisions.map(({ precision, tokens: compared, milliseconds }): PerplexityRow => {
      const loss = estimate(compared.losses);
      const kl = estimate(compared.divergences);
      const top = estimate(compared.sameTop);
      return {
        ...factsOf(loaded, precision),
        ...{ perplexity: Math.exp(loss.mean), tokens, tokensPerSecond: speed(milliseconds) },
        ...{ klMean: kl.mean, kl99: percentile(compared.divergences, 99), sameTop: top.mean },
        standardErrors: {
          perplexity: perplexityError(loss),
          klMean: kl.standardError,
          sameTop: top.standardError,
        },
      };
    });
    const loss = estimate(result.precisions[0]!.tokens.referenceLosses);
    const floatRow: PerplexityRow = {
      ...factsOf(float, float.model.precisions.at(-1)!),
      ...{ perplexity: Math.exp(loss.mean), tokens, tokensPerSecond: speed(result.referenceMilliseconds) },
      standardErrors: { perplexity: perplexityError(loss) },
    };
    return [floatRow, ...rows];
  } finally {
    display.finish();
  }
}

function chosenPrecisions({ checkpoint, model }: LoadedModel, { bits, model: location }: PerplexityOptions) {
  if (checkpoint.kind === "float" && bits !== undefined) {
    throw new InvalidArgumentError(
      `${location} is a float checkpoint and has no precision ${bits.join(", ")}. Leave --bits out, or quantize it first.`,
    );
  }
  return bits ?? model.precisions;
}

function factsOf({ checkpoint, model }: LoadedModel, precision: Precision) {
  const { effectiveBits, bytes } = model.cost(precision);
  return { bits: checkpoint.kind === "float" ? ("float" as const) : precision, effectiveBits, bytes };
}

/** e^x is steep by e^x: the error of the perplexity is that of the loss times the perplexity. */
function perplexityError({ mean, standardError }: Estimate): number | undefined {
  return standardError === undefined ? undefined : Math.exp(mean) * standardError;
}
