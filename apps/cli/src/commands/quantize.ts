import { InvalidArgumentError } from "@stepdown/core";
import { openCheckpoint } from "@stepdown/model-format";
import { quantizeCheckpoint } from "@stepdown/quantization";
import { InvalidArgumentError as BadUse, type Command, Option } from "commander";
import { addCalibrationOptions, type CalibrationOptions } from "../calibration/calibration-options.js";
import { openCalibration } from "../calibration/open-calibration.js";
import type { CommandContext } from "../command-context.js";
import { withExamples } from "../options/examples.js";
import { bitList, integer } from "../options/parse.js";
import { formatTable } from "../output/table.js";
import { formatBytes, formatCount } from "../output/units.js";

interface QuantizeOptions extends CalibrationOptions {
  readonly out: string;
  readonly codec?: "codebook" | "bcq";
  readonly seedBits: number;
  readonly bits: number;
  readonly mode?: "exact" | "fixed" | "reference";
  readonly groupSize?: number;
  readonly offset?: boolean;
  readonly effort?: "quick" | "calibrated" | "best";
  readonly optimizeFor?: number[];
  readonly groupCount?: number;
  readonly outliers?: number;
  readonly head: number | "keep";
  readonly seed?: number;
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
      new Option(
        "--codec <codec>",
        "how bits become weights: tables per row, or bcq: scales per group and bit, faster to run (default: bcq with --calibration, else codebook)",
      ).choices(["codebook", "bcq"]),
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
    .option("--group-count <n>", "codebook: groups of columns per row, each with tables of its own", integer(1))
    .option("--group-size <n>", "bcq: columns that share scales (default: 96 where possible)", integer(1))
    .option("--offset", "bcq: an offset per group")
    .addOption(
      new Option("--effort <effort>", "quick (default), or with --calibration: calibrated, best (slower)").choices([
        "quick",
        "calibrated",
        "best",
      ]),
    )
    .option("--optimize-for <list>", "precisions that matter most, for calibrated and best, like 3,4", bitList)
    .option("--head <bits>", "bits of embedding and output head (2 to 8), or keep", headBits, 8);
  addCalibrationOptions(command)
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
    [
      "stepdown quantize ./SmolLM2-135M --out nested --calibration documents.jsonl --sensitivity fisher",
      "weighed by the gradients of every weight; measured once, kept for the next run",
    ],
    [
      "stepdown quantize ./SmolLM2-135M --out nested --bits 8 --calibration documents.jsonl --effort calibrated",
      "errors fed back, weighed by inputs and gradients",
    ],
  ]);
  command.action(async (source: string, options: QuantizeOptions) => {
    if (options.bits < options.seedBits) {
      throw new InvalidArgumentError(
        `--bits ${options.bits} is below --seed-bits ${options.seedBits}; it must be at least as high.`,
      );
    }
    const { calibration } = options;
    if (calibration === undefined && options.sensitivity !== undefined) {
      throw new InvalidArgumentError(`--sensitivity ${options.sensitivity} is measured on a text; give --calibration.`);
    }
    // Error feedback needs whole matrices of moments; everything else is content with less.
    const kind = options.sensitivity ?? ((options.effort ?? "quick") === "quick" ? "second-moments" : "guided");
    const sensitivity =
      calibration === undefined
        ? undefined
        : await openCalibration(source, { ...options, calibration, sensitivity: kind }, context);
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
        effort: options.effort,
        optimizeFor: options.optimizeFor,
        groupCount: options.groupCount,
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
