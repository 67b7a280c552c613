import { createHash } from "node:crypto";
import { InvalidArgumentError, type SensitivitySource } from "@stepdown/core";
import { openCheckpoint } from "@stepdown/model-format";
import { quantizeCheckpoint } from "@stepdown/quantization";
import { collectSecondMoments, createSecondMomentSensitivity } from "@stepdown/runtime";
import { createTokenizer } from "@stepdown/tokenization";
import { InvalidArgumentError as BadUse, type Command, Option } from "commander";
import type { CommandContext } from "../command-context.js";
import { loadModel } from "../load-model.js";
import { withExamples } from "../options/examples.js";
import { integer } from "../options/parse.js";
import { formatTable } from "../output/table.js";
import { formatBytes, formatCount } from "../output/units.js";
import { readTextFile } from "./generate.js";

interface QuantizeOptions {
  readonly out: string;
  readonly codec: "codebook" | "bcq";
  readonly seedBits: number;
  readonly bits: number;
  readonly mode?: "exact" | "fixed" | "reference";
  readonly groupSize?: number;
  readonly offset?: boolean;
  readonly outliers?: number;
  readonly head: number | "keep";
  readonly calibration?: string;
  readonly calibrationSamples: number;
  readonly calibrationTokens: number;
  readonly seed?: number;
  readonly threads?: number;
  readonly overwrite?: boolean;
  readonly json?: boolean;
}

const NOT_CALIBRATED =
  "Not calibrated: at 3 bits and fewer the model gains much from --calibration TEXTFILE (any text of the kind it will see).\n";

/** `stepdown quantize`: float checkpoint to nested model. */
export function addQuantizeCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("quantize")
    .description("Turn a float checkpoint into one nested model that holds every precision. Run it again to resume.")
    .argument("<checkpoint>", "directory with safetensors or a GGUF file, or a GGUF file")
    .requiredOption("--out <dir>", "where to write the nested model")
    .addOption(
      new Option("--codec <codec>", "how bits become weights: tables per row, or bcq: scales per group and bit")
        .choices(["codebook", "bcq"])
        .default("codebook"),
    )
    .option("--seed-bits <n>", "lowest precision", integer(2, 4), 2)
    .option("--bits <n>", "highest precision", integer(2, 8), 4)
    .addOption(
      new Option(
        "--mode <mode>",
        "codebook: optimal clusters and splits (exact, the default), or as the published method (fixed, reference)",
      ).choices(["exact", "fixed", "reference"]),
    )
    .option("--outliers <share>", "codebook: share of the weights kept apart, 32 bits each (0.005 is much)", share)
    .option("--group-size <n>", "bcq: columns that share scales (default: 96 where possible)", integer(1))
    .option("--offset", "bcq: an offset per group")
    .option("--head <bits>", "bits of embedding and output head (2 to 8), or keep", headBits, 8)
    .option("--calibration <file>", "weigh errors by activations measured on this text")
    .option("--calibration-samples <n>", "pieces of calibration text", integer(1), 32)
    .option("--calibration-tokens <n>", "tokens per piece", integer(2), 512)
    .option(
      "--seed <n>",
      "codebook: seed of the draws of modes fixed and reference (default: 0)",
      integer(0, 0xffffffff),
    )
    .option("--threads <n>", "worker threads (default: all cores)", integer(1, 256))
    .option("--overwrite", "replace a model that is already in --out")
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown quantize ./SmolLM2-135M --out smollm2-nested", "2, 3 and 4 bits in one model"],
    ["stepdown quantize ./SmolLM2-135M --out smollm2-bcq --codec bcq", "the same, multiplied plane by plane"],
    ["stepdown quantize model.gguf --out nested --bits 8 --calibration text.txt", "up to 8 bits, calibrated"],
  ]);
  command.action(async (source: string, options: QuantizeOptions) => {
    if (options.bits < options.seedBits) {
      throw new InvalidArgumentError(
        `--bits ${options.bits} is below --seed-bits ${options.seedBits}; it must be at least as high.`,
      );
    }
    const sensitivity = options.calibration === undefined ? undefined : await calibrate(source, options, context);
    await using checkpoint = await openCheckpoint(source, { signal: context.signal });
    const display = context.startProgress();
    try {
      const result = await quantizeCheckpoint({
        checkpoint,
        directory: options.out,
        codec: options.codec,
        seedBits: options.seedBits,
        bits: options.bits,
        mode: options.mode,
        seed: options.seed,
        groupSize: options.groupSize,
        offset: options.offset,
        outliers: options.outliers,
        head: options.head,
        sensitivity,
        threads: options.threads,
        overwrite: options.overwrite,
        signal: context.signal,
        onProgress: display.onProgress,
      });
      display.finish();
      const precisions = result.precisions.map(({ precision: bits, ...cost }) => ({ bits, ...cost }));
      if (options.json) {
        context.print(`${JSON.stringify({ ...result, precisions })}\n`);
        return;
      }
      const resumed =
        result.resumedLayers > 0 ? `, ${result.resumedLayers} layers taken over from the stopped run` : "";
      const table = formatTable(
        ["bits", "bits per weight", "bytes of the blocks"],
        precisions.map((row) => [String(row.bits), row.effectiveBits.toFixed(2), formatBytes(row.bytes)]),
      );
      const lower = Math.max(options.bits - 1, options.seedBits);
      const schedule = lower < options.bits ? `${options.bits},${lower}@32` : `${options.bits}`;
      context.print(
        `wrote ${options.out}: ${formatCount(result.weights)} nested weights in ${result.layers} layers${resumed}\n\n${table}\n\n` +
          `${options.calibration === undefined ? NOT_CALIBRATED : ""}Try: stepdown generate --model ${options.out} --prompt "…" --schedule ${schedule}\n`,
      );
    } finally {
      display.finish();
    }
  });
}

/**
 * Second moments of the activations on the first samples of the calibration text. The tokens are cut and hashed at once,
 * so that a bad text fails early and a finished run is recognised; the model runs over them when the first layer asks.
 */
async function calibrate(
  source: string,
  options: QuantizeOptions,
  context: CommandContext,
): Promise<SensitivitySource> {
  const text = await readTextFile(options.calibration as string);
  await using checkpoint = await openCheckpoint(source, { signal: context.signal });
  const ids = createTokenizer(await checkpoint.readTextAssets()).encode(text);
  const length = options.calibrationTokens;
  const samples = Math.min(options.calibrationSamples, Math.floor(ids.length / length));
  if (samples === 0) {
    throw new InvalidArgumentError(
      `${options.calibration} has ${ids.length} tokens, less than one piece of ${length}. Give a longer text or a smaller --calibration-tokens.`,
    );
  }
  const chunks = Array.from({ length: samples }, (_, index) => ids.slice(index * length, (index + 1) * length));
  const key = createHash("sha256").update(JSON.stringify(chunks)).digest("hex");
  let moments: Promise<SensitivitySource> | undefined;
  return {
    name: "second-moments",
    key,
    async read(name, shape, wait) {
      moments ??= measureMoments(source, chunks, key, context);
      return await (await moments).read(name, shape, wait);
    },
  };
}

async function measureMoments(
  source: string,
  chunks: readonly (readonly number[])[],
  key: string,
  context: CommandContext,
): Promise<SensitivitySource> {
  await using loaded = await loadModel(source, context);
  const display = context.startProgress();
  try {
    const { signal } = context;
    const moments = await collectSecondMoments({ model: loaded.model, chunks, signal, onProgress: display.onProgress });
    return await createSecondMomentSensitivity(moments, { key });
  } finally {
    display.finish();
  }
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 0.05)) throw new BadUse("Expected a number from 0 to 0.05.");
  return value;
}

function headBits(text: string): number | "keep" {
  if (text === "keep") return "keep";
  const value = Number(text);
  if (!Number.isInteger(value) || value < 2 || value > 8) throw new BadUse("Expected 2 to 8, or keep.");
  return value;
}
