import { type Command, Option } from "commander";
import { integer, list } from "./parse.js";

/** Values of {@link addThreadsOption}. */
export interface ThreadsOptions {
  readonly threads: readonly number[];
}

/** More threads than any kernels take are a typing error. */
const MAXIMUM_THREADS = 256;

/** Adds `--threads` to a suite that measures with each of several numbers. */
export function addThreadsOption(command: Command): Command {
  return command.addOption(
    new Option("--threads <list>", "threads of kernels and peers, each number a variant")
      .argParser(list(integer(1, MAXIMUM_THREADS)))
      .default([1], "1"),
  );
}
