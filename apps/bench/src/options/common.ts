/** The options that every suite takes. */
import { type Command, Option } from "commander";
import { DEFAULT_ENGINES, engineList } from "../engines/engine-list.js";
import { integer, list, number, oneOf } from "./parse.js";

/** Values of {@link addCommonOptions}. */
export interface CommonOptions {
  readonly engine: readonly string[];
  readonly repetitions: number;
  readonly warmUp: number;
  readonly minimumMilliseconds: number;
  readonly retries: number;
  readonly baseline?: string;
  readonly seed: number;
  readonly json?: boolean;
  readonly html?: string;
}

/** Quiet repetitions beyond which a median does not gain. */
const MAXIMUM_REPETITIONS = 10_000;

/** Adds them to a command. */
export function addCommonOptions(command: Command, defaults: { warmUp: number; repetitions: number }): Command {
  const engines = Object.keys(engineList);
  return command
    .addOption(
      new Option("--engine <list>", `engines: ${engines.join(", ")}`)
        .argParser(list(oneOf(engines)))
        .default(DEFAULT_ENGINES, DEFAULT_ENGINES.join(",")),
    )
    .option(
      "--repetitions <n>",
      "quiet repetitions of each variant",
      integer(1, MAXIMUM_REPETITIONS),
      defaults.repetitions,
    )
    .option("--warm-up <n>", "repetitions before those that count", integer(1, 1000), defaults.warmUp)
    .option(
      "--minimum-milliseconds <n>",
      "shortest repetition; shorter work is run several times",
      number(0, 60_000),
      5,
    )
    .option("--retries <n>", "repetitions added at most, per wanted one, for disturbed ones", number(0, 100), 2)
    .option("--baseline <name>", "variant that the others are compared with, as named in the table")
    .option("--seed <n>", "seed of synthetic weights", integer(0, 0xffffffff), 1)
    .option("--json", "one JSON document on standard output")
    .option("--html <file>", "also a report with charts, one page that opens without a network");
}
