import type { Precision } from "@stepdown/core";
import { MAXIMUM_NESTED_PRECISION } from "@stepdown/core";
import { checkInteger, checkRecord, checkWord, refuse } from "./checks.js";

/**
 * How a linear layer's weights are stored, as far as traffic depends on it: bytes of bit planes and bytes of tables or
 * scales that one forward pass reads. Which values the codes mean does not matter here.
 */
export type CodecDescription =
  /** Bare codes of b bits, nothing beside them: what the papers' figures count. Also every float weight. */
  | { readonly codec: "plain" }
  /** Free centroids: per row, or group of a row's columns, a table of 2^b half-precision numbers. */
  | {
      readonly codec: "codebook";
      /** Groups of columns per row. Default: 1. */
      readonly groupCount?: number;
    }
  /** One float32 scale per row. */
  | { readonly codec: "uniform" }
  /** Binary codes: per group of columns one scale for each plane. */
  | {
      readonly codec: "bcq";
      /** Columns that share their scales; divides the columns of every layer. */
      readonly groupSize: number;
      /** Bits of a stored scale. Default 8: int8 codes of `@stepdown/core`'s contract; AnyBCQ's own files have 16. */
      readonly scaleBits?: 8 | 16;
      /** Whether there is an offset per group. Default `false`. */
      readonly offsets?: boolean;
    };

/** Bytes of one weight matrix that one pass reads. */
export interface WeightBytes {
  /** Bit planes, or float numbers. */
  readonly planes: number;
  /** Tables, scales, offsets of the precision read. */
  readonly tables: number;
}

/** Bytes of a table entry or a row's step: IEEE half precision. */
const HALF_BYTES = 2;

/**
 * Bytes one pass at `bits` reads of a weight of `rows` × `columns`.
 *
 * Planes: `bits · rows · ceil(columns/8)`. Tables: codebook `rows · G · 2^bits · 2`; uniform `rows · 4`; bcq with 8-bit
 * scales `rows · (columns/g · (bits + offset) + 2)`, with 16-bit scales `rows · columns/g · (bits + offset) · 2`.
 * At 16 and 32 bits the weight is dense: `rows · columns · bits/8`, no tables.
 */
export function weightBytes(rows: number, columns: number, bits: Precision, codec: CodecDescription): WeightBytes {
  if (bits > MAXIMUM_NESTED_PRECISION) return { planes: (rows * columns * bits) / 8, tables: 0 };
  const planes = bits * rows * Math.ceil(columns / 8);
  switch (codec.codec) {
    case "plain":
      return { planes, tables: 0 };
    case "codebook":
      return { planes, tables: rows * (codec.groupCount ?? 1) * 2 ** bits * HALF_BYTES };
    case "uniform":
      return { planes, tables: rows * 4 };
    case "bcq": {
      if (columns % codec.groupSize !== 0)
        refuse("codec.groupSize", codec.groupSize, `a divisor of every layer's columns, here of ${columns}`);
      const perGroup = bits + (codec.offsets === true ? 1 : 0);
      const scales = (rows * columns * perGroup) / codec.groupSize;
      return { planes, tables: codec.scaleBits === 16 ? scales * HALF_BYTES : scales + rows * HALF_BYTES };
    }
    default:
      return unknownCodec(codec);
  }
}

/** A codec description, checked. */
export function checkCodec(value: unknown): CodecDescription {
  const record = checkRecord("codec", value);
  const codec = checkWord("codec.codec", record.codec, ["plain", "codebook", "uniform", "bcq"]);
  if (codec === "codebook" && record.groupCount !== undefined)
    checkInteger("codec.groupCount", record.groupCount, 1, 2 ** 16);
  if (codec === "bcq") {
    checkInteger("codec.groupSize", record.groupSize, 1, 2 ** 16);
    if (record.scaleBits !== undefined && record.scaleBits !== 8 && record.scaleBits !== 16)
      refuse("codec.scaleBits", record.scaleBits, "8 or 16");
  }
  return value as CodecDescription;
}

function unknownCodec(codec: never): never {
  return refuse("codec", codec, "plain, codebook, uniform or bcq");
}
