import { InvalidFileError } from "@stepdown/core";
import { MAXIMUM_GGUF_ARRAY_DEPTH, MAXIMUM_GGUF_STRING_BYTES, MAXIMUM_GGUF_VALUES } from "../limits.js";

/** A metadata value: 64-bit integers beyond the safe range stay `bigint`. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** Thrown inside the header parser when the bytes at hand end before byte `end`; the caller reads more and starts again. */
export class MoreBytesNeeded extends Error {
  constructor(readonly end: number) {
    super("more bytes needed");
  }
}

/** Bytes of a value of each fixed-size type; strings (8) and arrays (9) have at least their length fields. */
const minimumBytes: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [8, 8],
  [9, 12],
  [10, 8],
  [11, 8],
  [12, 8],
]);

/** Steps through the little-endian fields of a GGUF header of which `bytes` is the beginning. */
export interface HeaderReader {
  /** Bytes consumed. */
  position(): number;
  uint32(): number;
  /** An unsigned 64-bit number that must be a safe integer. */
  uint64(): number;
  string(): string;
  /** A value of the given metadata type. */
  value(type: number): GgufValue;
}

/** `fileSize` bounds what a length field may claim before anything is allocated for it. */
export function createHeaderReader(bytes: Uint8Array, fileSize: number, name: string): HeaderReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A byte order mark is a token of many vocabularies: it must not be stripped.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = 0;
  let values = 0;

  const refuse = (what: string): never => {
    throw new InvalidFileError(`${name}: GGUF header ${what}`);
  };
  const take = (count: number): number => {
    const end = at + count;
    if (end > fileSize) refuse(`claims bytes up to ${end}, the file has ${fileSize}; it is truncated or no GGUF file`);
    if (end > bytes.byteLength) throw new MoreBytesNeeded(end);
    const start = at;
    at = end;
    return start;
  };
  const uint32 = (): number => view.getUint32(take(4), true);
  const uint64 = (): number => {
    const value = view.getBigUint64(take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse(`holds the impossible count ${value}`);
    return Number(value);
  };
  const string = (): string => {
    const length = uint64();
    if (length > MAXIMUM_GGUF_STRING_BYTES)
      refuse(`has a string of ${length} bytes, more than ${MAXIMUM_GGUF_STRING_BYTES}`);
    const start = take(length);
    return decoder.decode(bytes.subarray(start, start + length));
  };
  const narrow = (value: bigint): number | bigint => {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  };

  const value = (type: number, depth: number): GgufValue => {
    if (++values > MAXIMUM_GGUF_VALUES) refuse(`has more than ${MAXIMUM_GGUF_VALUES} values`);
    switch (type) {
      case 0:
        return view.getUint8(take(1));
      case 1:
        return view.getInt8(take(1));
      case 2:
        return view.getUint16(take(2), true);
      case 3:
        return view.getInt16(take(2), true);
      case 4:
        return uint32();
      case 5:
        return view.getInt32(take(4), true);
      case 6:
        return view.getFloat32(take(4), true);
      case 7:
        return view.getUint8(take(1)) !== 0;
      case 8:
        return string();
      case 9: {
        if (depth >= MAXIMUM_GGUF_ARRAY_DEPTH) refuse(`nests arrays deeper than ${MAXIMUM_GGUF_ARRAY_DEPTH}`);
        const member = uint32();
        const length = uint64();
        const least = minimumBytes.get(member);
        if (least === undefined) return refuse(`has an array of the unknown type ${member}`);
        if (length > MAXIMUM_GGUF_VALUES) refuse(`has an array of ${length} values, more than ${MAXIMUM_GGUF_VALUES}`);
        // Looks ahead over the shortest possible array, so that an impossible length costs nothing.
        take(length * least);
        at -= length * least;
        const array: GgufValue[] = [];
        for (let i = 0; i < length; i++) array.push(value(member, depth + 1));
        return array;
      }
      case 10:
        return narrow(view.getBigUint64(take(8), true));
      case 11:
        return narrow(view.getBigInt64(take(8), true));
      case 12:
        return view.getFloat64(take(8), true);
      default:
        return refuse(`has a value of the unknown type ${type}`);
    }
  };

  return { position: () => at, uint32, uint64, string, value: (type) => value(type, 0) };
}
