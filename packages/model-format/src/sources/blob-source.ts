import { InvalidFileError } from "@stepdown/core";
import { type ByteSource, checkRange } from "./byte-source.js";

/** A source over a Blob or a File, as a browser's file picker gives it. */
export function createBlobSource(blob: Blob, name?: string): ByteSource {
  const label = name ?? ("name" in blob && typeof blob.name === "string" ? blob.name : "blob");
  const size = blob.size;
  return {
    name: label,
    size,
    async read(offset, length, options) {
      options?.signal?.throwIfAborted();
      checkRange({ name: label, size }, offset, length);
      let buffer: ArrayBuffer;
      try {
        buffer = await blob.slice(offset, offset + length).arrayBuffer();
      } catch (cause) {
        throw new InvalidFileError(`${label}: cannot be read any more; was the file moved or changed?`, { cause });
      }
      options?.signal?.throwIfAborted();
      if (buffer.byteLength !== length) {
        throw new InvalidFileError(`${label}: wanted ${length} bytes at ${offset}, got ${buffer.byteLength}`);
      }
      return new Uint8Array(buffer);
    },
  };
}
