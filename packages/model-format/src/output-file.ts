import { OutputFailedError, StepdownError } from "@stepdown/core";
import { nodeBuiltin } from "./node-builtin.js";

/** A new file that is written from front to back; Node only. */
export interface OutputFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Puts the bytes on the disk and closes. */
  finish(): Promise<void>;
  /** Closes without care, after a failure. */
  abandon(): Promise<void>;
}

/** Creates a file that must not exist yet. Throws `OutputFailedError`. */
export async function createOutputFile(path: string): Promise<OutputFile> {
  const fs = nodeBuiltin("node:fs/promises");
  const handle = await attempt(path, () => fs.open(path, "wx"));
  return {
    async write(bytes) {
      let done = 0;
      while (done < bytes.byteLength) {
        const { bytesWritten } = await attempt(path, () =>
          handle.write(bytes, done, Math.min(bytes.byteLength - done, 2 ** 30)),
        );
        done += bytesWritten;
      }
    },
    async finish() {
      await attempt(path, () => handle.sync());
      await attempt(path, () => handle.close());
    },
    async abandon() {
      await handle.close().catch(() => undefined);
    },
  };
}

/** Runs a file system operation; what it throws becomes an `OutputFailedError` that names the path. */
export async function attempt<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (cause instanceof StepdownError) throw cause;
    const code = (cause as { code?: unknown }).code;
    const hints: Record<string, string> = {
      ENOSPC: "the disk is full",
      EACCES: "permission denied",
      EPERM: "permission denied",
      EROFS: "the file system is read-only",
      ENOTDIR: "part of the path is no directory",
      EEXIST: "it exists already",
    };
    const reason = typeof code === "string" ? (hints[code] ?? code) : String(cause);
    throw new OutputFailedError(`${path}: cannot be written: ${reason}; choose another place or make room`, { cause });
  }
}
