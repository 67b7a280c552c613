import { type ByteSource, checkRange } from "./byte-source.js";

/** A source over bytes in memory. The bytes are not copied until they are read. */
export function createBytesSource(bytes: Uint8Array, name = "bytes in memory"): ByteSource {
  const size = bytes.byteLength;
  return {
    name,
    size,
    async read(offset, length, options) {
      options?.signal?.throwIfAborted();
      checkRange({ name, size }, offset, length);
      return bytes.slice(offset, offset + length);
    },
  };
}
