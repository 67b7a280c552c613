import { ChecksumMismatchError, InvalidFileError, MissingFileError, type WaitOptions } from "@stepdown/core";
import { type Checksum, createSha256 } from "../checksum.js";
import { STREAM_CHUNK_BYTES } from "../limits.js";
import { openSafetensors, type SafetensorsFile } from "../safetensors/open-safetensors.js";
import type { ByteSource } from "../sources/byte-source.js";
import type { ModelDirectory } from "../sources/model-directory.js";
import type { ShardEntry } from "./shard-index.js";

/** Whether shards are compared with their checksums before first use. */
export type VerifyMode = "auto" | "always" | "never";

/** A shard whose size has been checked and of which nothing has been read yet. */
export interface Shard {
  readonly entry: ShardEntry;
  /** Checks checksum (as asked) and header on the first call, then gives the same file again. */
  open(options?: WaitOptions): Promise<SafetensorsFile>;
}

/**
 * Finds a shard and checks its size. `check` looks at the header once it has been read.
 *
 * Verification that was stopped goes on where it stopped; callers that come meanwhile wait for it.
 */
export async function findShard(
  directory: ModelDirectory,
  entry: ShardEntry,
  verify: VerifyMode,
  check: (file: SafetensorsFile) => void,
  options: WaitOptions = {},
): Promise<Shard> {
  const source = await directory.open(entry.file, { signal: options.signal });
  if (source === undefined) {
    throw new MissingFileError(
      `${directory.location}: shard ${entry.file} for ${entry.bits} bits is missing; fetch it, or open the model with a lower maximumPrecision`,
    );
  }
  if (source.size !== entry.bytes) {
    throw new InvalidFileError(
      `${source.name}: has ${source.size} bytes, the index says ${entry.bytes}; it is ${source.size < entry.bytes ? "truncated" : "another file"}, fetch it again`,
    );
  }
  const verification = createVerification(source, entry);
  const wanted = verify === "always" || (verify === "auto" && source.remote !== true);
  let opened: SafetensorsFile | undefined;
  let current: Promise<unknown> | undefined;

  return {
    entry,
    async open(openOptions = {}) {
      while (opened === undefined) {
        if (current !== undefined) {
          await settled(current, openOptions.signal);
          continue;
        }
        const attempt = (async () => {
          if (wanted) await verification.run(openOptions);
          const file = await openSafetensors(source, { signal: openOptions.signal });
          check(file);
          opened = file;
        })();
        current = attempt;
        try {
          await attempt;
        } finally {
          current = undefined;
        }
      }
      return opened;
    },
  };
}

/** Waits until a promise is settled either way, or until the signal fires. */
async function settled(promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal?.addEventListener("abort", stop, { once: true });
  });
  await Promise.race([promise.then(stop, stop), aborted]);
  signal?.removeEventListener("abort", stop);
  signal?.throwIfAborted();
}

interface Verification {
  /** Reads on from where the last run stopped. Throws `ChecksumMismatchError`. */
  run(options: WaitOptions): Promise<void>;
}

function createVerification(source: ByteSource, entry: ShardEntry): Verification {
  let checksum: Checksum = createSha256();
  let done = 0;
  return {
    async run({ signal, onProgress }) {
      while (done < source.size) {
        signal?.throwIfAborted();
        const bytes = await source.read(done, Math.min(STREAM_CHUNK_BYTES, source.size - done), { signal });
        checksum.update(bytes);
        done += bytes.byteLength;
        onProgress?.({ phase: "verifying", done, total: source.size, unit: "bytes", detail: entry.file });
      }
      const found = checksum.digest();
      checksum = createSha256();
      done = 0;
      if (found !== entry.sha256) {
        throw new ChecksumMismatchError(
          `${source.name}: SHA-256 is ${found}, the index says ${entry.sha256}; the file is damaged or not the one, fetch it again`,
        );
      }
    },
  };
}
