/** Hashes of what scores depend on. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { MissingFileError } from "@stepdown/core";

/** Hash of a model: names and contents of its files (not of folders inside). A path that is a file counts alone. */
export async function fingerprintModel(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for (const file of await filesOf(path)) {
    hash.update(`${basename(file)}\n`);
    for await (const bytes of createReadStream(file, signal === undefined ? {} : { signal })) hash.update(bytes);
  }
  return hash.digest("hex");
}

/** Hash of any plain value. */
export function fingerprintValue(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);
}

async function filesOf(path: string): Promise<string[]> {
  try {
    if ((await stat(path)).isFile()) return [path];
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(path, entry.name))
      .sort();
  } catch (cause) {
    throw new MissingFileError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
