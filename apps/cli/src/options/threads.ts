import { Option } from "commander";
import { integer } from "./parse.js";

/** Most threads that the kernels take. */
const MOST = 16;

/** `--threads`, of commands that run a model. */
export function threadsOption(): Option {
  return new Option(
    "--threads <n>",
    "threads (default: half the processors, but 2 where there are 2, at most 4)",
  ).argParser(integer(1, MOST));
}
