import { MissingFileError } from "@stepdown/core";
import { nodeBuiltin } from "../node-builtin.js";
import { openFileSource } from "./file-source.js";
import { checkFileName, type ModelDirectory } from "./model-directory.js";

/** A local directory; Node only. Returns `undefined` where there is no such directory. Links are followed: caches use them. */
export async function openPathDirectory(path: string): Promise<ModelDirectory | undefined> {
  const fs = nodeBuiltin("node:fs/promises");
  const { join } = nodeBuiltin("node:path");
  try {
    if (!(await fs.stat(path)).isDirectory()) return undefined;
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new MissingFileError(`${path}: cannot be looked at (${String(code)}); check its permissions`, { cause });
  }
  return {
    location: path,
    async list() {
      try {
        return (await fs.readdir(path)).sort();
      } catch (cause) {
        throw new MissingFileError(`${path}: cannot be listed (${String((cause as { code?: unknown }).code)})`, {
          cause,
        });
      }
    },
    async open(name, options) {
      options?.signal?.throwIfAborted();
      checkFileName(name, path);
      return openFileSource(join(path, name));
    },
  };
}
