/** Result files: whole or not at all. */
import { rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OutputFailedError } from "@stepdown/core";

/** Writes a text under a temporary name beside `path` and renames it, so that nobody sees half of it. */
export async function writeOutput(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new OutputFailedError(
      `Cannot write ${path}: ${cause instanceof Error ? cause.message : String(cause)}. Choose another --out.`,
      { cause },
    );
  }
}
