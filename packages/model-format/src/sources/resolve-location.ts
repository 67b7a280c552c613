import { InvalidFileError, MissingFileError } from "@stepdown/core";
import { nodeBuiltin } from "../node-builtin.js";
import { createBlobSource } from "./blob-source.js";
import type { ByteReadOptions, ByteSource } from "./byte-source.js";
import { openFileSource } from "./file-source.js";
import type { ModelDirectory } from "./model-directory.js";
import { openPathDirectory } from "./path-directory.js";
import { createUrlDirectory } from "./url-directory.js";
import { openUrlSource } from "./url-source.js";

/** A directory to look into, or a single file that holds a whole model. */
export type ResolvedLocation =
  | { readonly directory: ModelDirectory; readonly file?: undefined }
  | { readonly directory?: undefined; readonly file: ByteSource };

/** Finds out what a location is: path or URL, directory or file. Throws `MissingFileError`. */
export async function resolveLocation(
  location: string | URL | ModelDirectory | ByteSource | Blob,
  options: ByteReadOptions = {},
): Promise<ResolvedLocation> {
  if (location instanceof Blob) return { file: createBlobSource(location) };
  if (typeof location === "object" && "open" in location) return { directory: location };
  if (typeof location === "object" && "read" in location) return { file: location };

  const text = String(location);
  if (/^https?:\/\//i.test(text)) {
    if (!new URL(text).pathname.toLowerCase().endsWith(".gguf")) return { directory: createUrlDirectory(text) };
    const file = await openUrlSource(text, options);
    if (file === undefined) throw new MissingFileError(`${text}: the server has no such file`);
    return { file };
  }
  const path = text.startsWith("file:") ? nodeBuiltin("node:url").fileURLToPath(text) : text;
  const directory = await openPathDirectory(path);
  if (directory !== undefined) return { directory };
  const file = await openFileSource(path);
  if (file === undefined) {
    throw new MissingFileError(`${path}: there is no such file or directory; give a model directory or a .gguf file`);
  }
  if (path.endsWith(".safetensors") || path.endsWith(".json")) {
    throw new InvalidFileError(
      `${path}: give the directory, not one of its files; a model needs its config.json as well`,
    );
  }
  return { file };
}
