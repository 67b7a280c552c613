/**
 * Where tests find the reference outputs and data sets that do not live in the repository. Tests must pass without them:
 * they skip, saying why.
 */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the repository. */
export const repositoryRoot: string = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

const goldenRoot = process.env.STEPDOWN_GOLDEN ?? resolve(repositoryRoot, "../shared/golden");
const dataRoot = process.env.STEPDOWN_DATA ?? resolve(repositoryRoot, "../shared/data");

/** Path inside the golden folder (`STEPDOWN_GOLDEN`, default `../shared/golden`), or `undefined` where it is absent. */
export function goldenPath(...segments: string[]): string | undefined {
  return existing(join(goldenRoot, ...segments));
}

/** Path inside the data folder (`STEPDOWN_DATA`, default `../shared/data`), or `undefined` where it is absent. */
export function dataPath(...segments: string[]): string | undefined {
  return existing(join(dataRoot, ...segments));
}

/** Name for a test or suite that has to skip: says what is missing and how to supply it. */
export function skipReason(what: string): string {
  return `${what} (skipped: not found; set STEPDOWN_GOLDEN / STEPDOWN_DATA to the folders that hold it)`;
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}
