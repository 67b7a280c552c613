/**
 * The few file operations of the pipeline; Node only, and only when called. Files appear whole or not at all.
 */
import { OutputFailedError } from "@stepdown/core";

/** Bytes hashed per read. */
const CHUNK_BYTES = 2 ** 22;

/** Ends of the names that unfinished files have. */
export const TEMPORARY_SUFFIX = ".tmp";

/** Writes chunks one after the other under a temporary name beside `path`, then renames. */
export async function writeAtomically(
  path: string,
  chunks: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<void> {
  const { open, rename, rm } = await import("node:fs/promises");
  const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}${TEMPORARY_SUFFIX}`;
  try {
    const handle = await open(temporary, "wx");
    try {
      for (const chunk of chunks) {
        signal?.throwIfAborted();
        let done = 0;
        while (done < chunk.byteLength) done += (await handle.write(chunk, done)).bytesWritten;
      }
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    signal?.throwIfAborted();
    throw new OutputFailedError(`${path} could not be written: ${(cause as Error).message}.`, { cause });
  }
}

/** Bytes of a file, or `undefined` where it is absent or too short. */
export async function readRange(path: string, offset: number, bytes: number): Promise<Uint8Array | undefined> {
  const { open } = await import("node:fs/promises");
  const handle = await open(path, "r").catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const data = new Uint8Array(bytes);
    let done = 0;
    while (done < bytes) {
      const { bytesRead } = await handle.read(data, done, bytes - done, offset + done);
      if (bytesRead === 0) return undefined;
      done += bytesRead;
    }
    return data;
  } finally {
    await handle.close();
  }
}

/** SHA-256 (hexadecimal) of `bytes` from `offset` to the end of a file, or `undefined` where that is not its end. */
export async function hashFile(path: string, offset: number, bytes: number): Promise<string | undefined> {
  const [{ open }, { createHash }] = await Promise.all([import("node:fs/promises"), import("node:crypto")]);
  const handle = await open(path, "r").catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    if ((await handle.stat()).size !== offset + bytes) return undefined;
    const hash = createHash("sha256");
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytes));
    for (let done = 0; done < bytes; ) {
      const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.byteLength, bytes - done), offset + done);
      if (bytesRead === 0) return undefined;
      hash.update(chunk.subarray(0, bytesRead));
      done += bytesRead;
    }
    return hash.digest("hex");
  } finally {
    await handle.close();
  }
}

/** SHA-256 (hexadecimal) of chunks one after the other. */
export async function sha256(chunks: readonly (ArrayBufferView | string)[]): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  for (const chunk of chunks) {
    hash.update(typeof chunk === "string" ? chunk : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }
  return hash.digest("hex");
}
