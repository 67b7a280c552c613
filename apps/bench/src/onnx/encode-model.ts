/**
 * ONNX files of matrix products with one vector, written field by field: the part of the format's protocol buffers that
 * such a graph needs. Field numbers are those of `onnx.proto`.
 */
import { createRandomNumbers } from "../random-numbers.js";
import { exponentFor, randomBytes, randomFloats } from "../synthetic/random-patterns.js";

/** What is multiplied. */
export interface ProductModelOptions {
  readonly rows: number;
  readonly columns: number;
  /** 32: float32 with `MatMul`; otherwise codes of so many bits with `MatMulNBits`. */
  readonly bits: number;
  /** Columns that share a scale; of no use with float32. */
  readonly blockSize: number;
  /** Products with matrices of their own, all of the same input. */
  readonly copies: number;
  readonly seed: number;
}

/** Arithmetic of `MatMulNBits`: 4 lets it use 8-bit activations, the fastest it has. */
const ACCURACY_LEVEL = 4;
const IR_VERSION = 10;
const OPSET = 21;
const TYPES = { float: 1, uint8: 2 } as const;
const ATTRIBUTE_INTEGER = 2;

/** Bytes of one matrix with its scales. */
export function productBytes({ rows, columns, bits, blockSize }: Omit<ProductModelOptions, "copies" | "seed">): number {
  if (bits === 32) return 4 * rows * columns;
  return (rows * columns * bits) / 8 + (4 * rows * columns) / blockSize;
}

/** The file: input `x`, one output `y0`, `y1` … per copy. */
export function encodeProductModel(options: ProductModelOptions): Uint8Array {
  const { rows, columns, bits, blockSize, copies, seed } = options;
  const random = createRandomNumbers(seed);
  const isFloat = bits === 32;
  const blocks = columns / blockSize;
  // Copies differ in their first bytes, so that no optimizer takes them for one matrix; the rest is written many times.
  const weights = isFloat
    ? bytesOf(randomFloats(rows * columns, exponentFor(columns), random))
    : randomBytes((rows * columns * bits) / 8, random);
  const spread = 2 ** bits / Math.sqrt(12);
  const scales = bytesOf(new Float32Array(isFloat ? 0 : rows * blocks).fill(1 / Math.sqrt(columns) / spread));
  const node = (copy: number): Part[] => [
    ...["x", `w${copy}`, ...(isFloat ? [] : [`s${copy}`])].map((name) => text(1, name)),
    text(2, `y${copy}`),
    text(4, isFloat ? "MatMul" : "MatMulNBits"),
    ...(isFloat
      ? []
      : [
          ...Object.entries({
            K: columns,
            N: rows,
            bits,
            block_size: blockSize,
            accuracy_level: ACCURACY_LEVEL,
          }).map(([name, value]) => message(5, [text(1, name), integer(3, value), integer(20, ATTRIBUTE_INTEGER)])),
          text(7, "com.microsoft"),
        ]),
  ];
  const tensor = (name: string, type: number, shape: readonly number[], data: Uint8Array, copy: number): Part =>
    message(5, [
      ...shape.map((side) => integer(1, side)),
      integer(2, type),
      text(8, name),
      raw(9, Uint8Array.of(copy & 255, (copy >> 8) & 63), data.subarray(2)),
    ]);
  const value = (field: number, name: string, length: number): Part => {
    const shape = message(
      2,
      [1, length].map((side) => message(1, [integer(1, side)])),
    );
    return message(field, [text(1, name), message(2, [message(1, [integer(1, TYPES.float), shape])])]);
  };
  const all = Array.from({ length: copies }, (_, copy) => copy);
  const graph = [
    ...all.map((copy) => message(1, node(copy))),
    text(2, "products"),
    ...all.flatMap((copy) =>
      isFloat
        ? [tensor(`w${copy}`, TYPES.float, [columns, rows], weights, copy)]
        : [
            tensor(`w${copy}`, TYPES.uint8, [rows, blocks, (blockSize * bits) / 8], weights, copy),
            tensor(`s${copy}`, TYPES.float, [rows * blocks], scales, copy),
          ],
    ),
    value(11, "x", columns),
    ...all.map((copy) => value(12, `y${copy}`, rows)),
  ];
  const opset = (domain: string, version: number): Part => message(8, [text(1, domain), integer(2, version)]);
  return join([integer(1, IR_VERSION), message(7, graph), opset("", OPSET), opset("com.microsoft", 1)]);
}

/** A piece of a message: bytes one after another, with their total. */
interface Part {
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
}

const encoder = new TextEncoder();

function integer(field: number, value: number): Part {
  return part([varint(field * 8), varint(value)]);
}

/** Bytes, in pieces that may be shared with other fields. */
function raw(field: number, ...pieces: readonly Uint8Array[]): Part {
  const bytes = part(pieces);
  return part([varint(field * 8 + 2), varint(bytes.length), ...pieces]);
}

function text(field: number, value: string): Part {
  return raw(field, encoder.encode(value));
}

function message(field: number, parts: readonly Part[]): Part {
  const length = parts.reduce((sum, one) => sum + one.length, 0);
  return part([varint(field * 8 + 2), varint(length), ...parts.flatMap(({ pieces }) => pieces)]);
}

function part(pieces: readonly Uint8Array[]): Part {
  return { pieces, length: pieces.reduce((sum, { length }) => sum + length, 0) };
}

function join(parts: readonly Part[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of parts.flatMap(({ pieces }) => pieces)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Seven bits per byte, the lowest first. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
