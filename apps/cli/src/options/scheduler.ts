/** The scheduler a command line asks for: a schedule, a built-in name, or somebody's own module. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  InvalidArgumentError,
  MissingFileError,
  type Precision,
  type Scheduler,
  UnsupportedError,
} from "@stepdown/core";
import { createFixedScheduler, createPhaseAwareScheduler, createSchedulerFromText } from "@stepdown/schedulers";
import { type Command, Option } from "commander";
import { collectPairs } from "./parse.js";

/** What the scheduler options of a command hold. */
export interface SchedulerOptions {
  readonly schedule?: string;
  readonly scheduler?: string;
  readonly schedulerOption?: Readonly<Record<string, string>>;
}

/** Adds `--schedule`, `--scheduler` and `--scheduler-option` to a command. */
export function addSchedulerOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--schedule <schedule>",
        "bits over time: 4 | 4,3@85 (4 bits for 85 steps, then 3) | 4,3@50% | 8:4,3@85 (prompt at 8)",
      ).conflicts("scheduler"),
    )
    .option(
      "--scheduler <name>",
      "fixed, phase-aware, static, or a module that exports createScheduler(options): ./mine.mjs or a package",
    )
    .option("--scheduler-option <key=value>", "option for --scheduler, repeatable", collectPairs);
}

/** Makes the scheduler; without any option, the highest precision all the time. */
export async function createRequestedScheduler(
  options: SchedulerOptions,
  available: readonly Precision[],
): Promise<Scheduler> {
  if (options.schedule !== undefined) return createSchedulerFromText(options.schedule);
  const highest = Math.max(...available);
  const values = options.schedulerOption ?? {};
  switch (options.scheduler) {
    case undefined:
      return createFixedScheduler({ precision: highest });
    case "fixed":
      return createFixedScheduler({ precision: bits(values, "precision", highest) });
    case "phase-aware":
      return createPhaseAwareScheduler({
        prefill: bits(values, "prefill", highest),
        decode: bits(values, "decode", Math.min(...available)),
      });
    case "static":
      if (values.schedule === undefined) {
        throw new InvalidArgumentError(
          "The static scheduler needs --scheduler-option schedule=…, for example schedule=4,3@85 (or use --schedule 4,3@85).",
        );
      }
      return createSchedulerFromText(values.schedule);
    default:
      return await importScheduler(options.scheduler, values);
  }
}

function bits(values: Readonly<Record<string, string>>, key: string, fallback: Precision): Precision {
  const text = values[key];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value)) {
    throw new InvalidArgumentError(`--scheduler-option ${key}=${text}: expected a number of bits such as 4.`);
  }
  return value;
}

async function importScheduler(name: string, values: Readonly<Record<string, string>>): Promise<Scheduler> {
  const found = locate(name);
  const module = (await import(found)) as {
    createScheduler?: (options: Readonly<Record<string, string>>) => Scheduler;
  };
  if (typeof module.createScheduler !== "function") {
    throw new UnsupportedError(
      `${name} exports no function createScheduler (found: ${Object.keys(module).join(", ") || "no exports"}). A scheduler module exports createScheduler(options).`,
    );
  }
  const scheduler = await module.createScheduler(values);
  if (scheduler?.specificationVersion !== "v1" || typeof scheduler.start !== "function") {
    throw new UnsupportedError(
      `createScheduler of ${name} returned something that is no scheduler of specification v1. See Scheduler in @stepdown/core.`,
    );
  }
  return scheduler;
}

/** Paths are meant from the working folder; package names are looked up from there too. */
function locate(name: string): string {
  const base = join(process.cwd(), "noop.js");
  try {
    return pathToFileURL(createRequire(base).resolve(name)).href;
  } catch (cause) {
    throw new MissingFileError(
      `Found no scheduler "${name}": it is neither fixed, phase-aware or static nor a module that can be found from ${process.cwd()}. A file needs a path such as ./mine.mjs.`,
      { cause },
    );
  }
}
