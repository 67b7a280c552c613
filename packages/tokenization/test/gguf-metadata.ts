/** The metadata of a GGUF file, for tests only: no checks, files are trusted. Layout: GGUF version 2 and 3, little-endian. */
import { closeSync, openSync, readSync, statSync } from "node:fs";

/** Longest header read; the vocabularies of the test files take some megabytes. */
const MAXIMUM_HEADER_BYTES = 64 << 20;

/** Reads the key-value pairs in front of the tensors. */
export function readGgufMetadata(file: string): Record<string, unknown> {
  const bytes = Buffer.alloc(Math.min(statSync(file).size, MAXIMUM_HEADER_BYTES));
  const descriptor = openSync(file, "r");
  readSync(descriptor, bytes, 0, bytes.length, 0);
  closeSync(descriptor);
  let at = 16; // Magic, version and tensor count.
  const take = (count: number): number => {
    at += count;
    return at - count;
  };
  const length = (): number => Number(bytes.readBigUInt64LE(take(8)));
  const text = (): string => {
    const size = length();
    const start = take(size);
    // `toString` keeps a byte order mark, which is a token of many vocabularies.
    return bytes.toString("utf8", start, start + size);
  };
  const readers: Record<number, () => unknown> = {
    0: () => bytes.readUInt8(take(1)),
    1: () => bytes.readInt8(take(1)),
    2: () => bytes.readUInt16LE(take(2)),
    3: () => bytes.readInt16LE(take(2)),
    4: () => bytes.readUInt32LE(take(4)),
    5: () => bytes.readInt32LE(take(4)),
    6: () => bytes.readFloatLE(take(4)),
    7: () => bytes.readUInt8(take(1)) !== 0,
    8: text,
    9: () => {
      const read = readers[bytes.readUInt32LE(take(4))]!;
      return Array.from({ length: length() }, () => read());
    },
    10: () => bytes.readBigUInt64LE(take(8)),
    11: () => bytes.readBigInt64LE(take(8)),
    12: () => bytes.readDoubleLE(take(8)),
  };
  const entries = Array.from({ length: length() }, () => {
    const key = text();
    return [key, readers[bytes.readUInt32LE(take(4))]!()] as const;
  });
  return Object.fromEntries(entries);
}
