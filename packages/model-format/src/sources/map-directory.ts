import { createBlobSource } from "./blob-source.js";
import type { ByteSource } from "./byte-source.js";
import { createBytesSource } from "./bytes-source.js";
import { checkFileName, type ModelDirectory } from "./model-directory.js";

/** A directory of files in memory or picked in a browser, by name. */
export function createMapDirectory(
  files: ReadonlyMap<string, Blob | Uint8Array | ByteSource>,
  location = "files in memory",
): ModelDirectory {
  return {
    location,
    async list() {
      return [...files.keys()].sort();
    },
    async open(name) {
      checkFileName(name, location);
      const file = files.get(name);
      if (file === undefined) return undefined;
      if (file instanceof Uint8Array) return createBytesSource(file, name);
      return file instanceof Blob ? createBlobSource(file, name) : file;
    },
  };
}
