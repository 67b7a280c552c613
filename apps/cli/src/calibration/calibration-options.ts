/** Options of `quantize` that say what errors are weighed by. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { integer } from "../options/parse.js";

/** What is measured on the calibration text. */
export type CalibrationKind = "second-moments" | "fisher" | "guided";

/** As commander hands them over. */
export interface CalibrationOptions {
  readonly calibration?: string;
  readonly sensitivity?: CalibrationKind;
  readonly calibrationSamples?: number;
  readonly calibrationTokens: number;
  readonly calibrationSeed: number | "none";
  readonly threads?: number;
}

/** Samples where none are asked for: what a quick pass forwards stands, and what the published method uses. */
export const DEFAULT_SAMPLES: Readonly<Record<CalibrationKind, number>> = {
  "second-moments": 32,
  fisher: 100,
  guided: 100,
};

/** Adds them to a command. */
export function addCalibrationOptions(command: Command): Command {
  return command
    .option("--calibration <file>", "weigh errors by what is measured on this text (.txt, or .jsonl with a field text)")
    .addOption(
      new Option(
        "--sensitivity <kind>",
        "what is measured: squared inputs (second-moments, the default, quick), squared gradients of every weight (fisher), or inputs weighted by gradients (guided, the default of --effort calibrated and best)",
      ).choices(["second-moments", "fisher", "guided"]),
    )
    .option("--calibration-samples <n>", "pieces of text (default: 32, with gradients 100)", integer(1))
    .option(
      "--calibration-tokens <n>",
      "tokens per piece; shorter documents of a .jsonl are passed over",
      integer(2),
      512,
    )
    .option(
      "--calibration-seed <n>",
      "order in which pieces are drawn, or none for the order of the file",
      seedOrNone,
      0,
    );
}

function seedOrNone(text: string): number | "none" {
  if (text === "none") return "none";
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value;
  throw new InvalidArgumentError("Expected a whole number, 0 to 4294967295, or none.");
}
