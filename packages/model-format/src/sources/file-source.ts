import { InvalidFileError, MissingFileError } from "@stepdown/core";
import { MAXIMUM_READ_BYTES } from "../limits.js";
import { nodeBuiltin } from "../node-builtin.js";
import { allocateBytes } from "../numbers/allocate.js";
import { type ByteSource, checkRange } from "./byte-source.js";

/**
 * A source over a local file; Node only. Returns `undefined` where there is no such file (or it is a directory).
 *
 * Every read opens the file anew and compares size, time and identity with the first look, so that a file replaced
 * underneath is noticed rather than mixed.
 */
export async function openFileSource(path: string): Promise<ByteSource | undefined> {
  const fs = nodeBuiltin("node:fs/promises");
  let first: Awaited<ReturnType<typeof fs.stat>>;
  try {
    first = await fs.stat(path);
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new MissingFileError(`${path}: cannot be looked at (${String(code)}); check its permissions`, { cause });
  }
  if (!first.isFile()) return undefined;
  const size = Number(first.size);
  return {
    name: path,
    size,
    async read(offset, length, options) {
      const signal = options?.signal;
      signal?.throwIfAborted();
      checkRange({ name: path, size }, offset, length);
      let handle: Awaited<ReturnType<typeof fs.open>> | undefined;
      try {
        handle = await fs.open(path, "r");
        const now = await handle.stat();
        if (now.size !== first.size || now.mtimeMs !== first.mtimeMs || now.ino !== first.ino) {
          throw new InvalidFileError(`${path}: was changed after it had been opened; open it again`);
        }
        const bytes = allocateBytes(length, path);
        let done = 0;
        while (done < length) {
          signal?.throwIfAborted();
          const wanted = Math.min(length - done, MAXIMUM_READ_BYTES);
          const { bytesRead } = await handle.read(bytes, done, wanted, offset + done);
          if (bytesRead === 0) throw new InvalidFileError(`${path}: ended at byte ${offset + done} of ${size}`);
          done += bytesRead;
        }
        signal?.throwIfAborted();
        return bytes;
      } catch (cause) {
        const code = (cause as { code?: unknown }).code;
        if (code === "ENOENT" || code === "EACCES" || code === "EPERM" || code === "EIO") {
          throw new MissingFileError(`${path}: cannot be read (${code})`, { cause });
        }
        throw cause;
      } finally {
        await handle?.close();
      }
    },
  };
}
