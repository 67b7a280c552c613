import type { Precision, StoredNestedLayer, WeightCodec } from "@stepdown/core";
import { PrecisionUnavailableError } from "@stepdown/core";
import { planeRowBytes } from "./planes.js";

/** What is known of a nested layer without reading its planes. */
export interface LayerFacts {
  /** Without `.weight`. */
  readonly name: string;
  readonly codec: Exclude<WeightCodec, "dense">;
  /** Output features N. */
  readonly rows: number;
  /** Input features K. */
  readonly columns: number;
  readonly seedBits: Precision;
  readonly bits: Precision;
  /** Whether a decision's precision applies; otherwise all planes are always read and lie in the first shard. */
  readonly followsPrecision: boolean;
  /** Columns that share scales; codec `bcq` only. */
  readonly groupSize?: number;
  /** Whether there are offsets; codec `bcq` only. Default `false`. */
  readonly offsets?: boolean;
  /** Groups per row, each with tables of its own; codec `codebook` only. Default 1. */
  readonly groupCount?: number;
  /** How many weights are kept apart; codec `codebook` only. Default 0. */
  readonly outliers?: number;
}

/** One stored piece of a nested layer. */
export type NestedLayerPart =
  | { readonly kind: "plane"; readonly plane: number }
  | { readonly kind: "table"; readonly precision: Precision }
  | { readonly kind: "scale" }
  | { readonly kind: "outlier-starts" | "outlier-columns" | "outlier-values" }
  | { readonly kind: "scale-codes"; readonly precision: Precision }
  | { readonly kind: "scale-steps"; readonly precision: Precision }
  | { readonly kind: "offset-codes"; readonly precision: Precision };

/** A piece with the name, type and shape under which it is stored. */
export interface StoredPart {
  readonly part: NestedLayerPart;
  readonly name: string;
  readonly type: "U8" | "I8" | "U16" | "U32" | "F16" | "F32";
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Lowest precision that needs it, and whose shard holds it; 0 where every precision does: the first shard. */
  readonly precision: Precision;
}

const BYTES: Record<StoredPart["type"], number> = { U8: 1, I8: 1, U16: 2, F16: 2, U32: 4, F32: 4 };

/** All pieces of a layer, in the order in which precisions need them. */
export function partsOf(layer: LayerFacts): StoredPart[] {
  const { name, rows, columns, seedBits, bits } = layer;
  const groups = layer.groupSize === undefined ? 0 : columns / layer.groupSize;
  const parts: StoredPart[] = [];
  const add = (part: NestedLayerPart, suffix: string, type: StoredPart["type"], shape: number[], precision: number) => {
    parts.push({
      part,
      name: `${name}.${suffix}`,
      type,
      shape,
      bytes: shape.reduce((product, dimension) => product * dimension, BYTES[type]),
      precision: layer.followsPrecision ? precision : 0,
    });
  };
  if (layer.codec === "uniform") add({ kind: "scale" }, "scale", "F32", [rows], seedBits);
  if (layer.outliers) {
    add({ kind: "outlier-starts" }, "outlier_starts", "U32", [rows + 1], seedBits);
    add({ kind: "outlier-columns" }, "outlier_columns", "U16", [layer.outliers], seedBits);
    add({ kind: "outlier-values" }, "outlier_values", "F16", [layer.outliers], seedBits);
  }
  for (let plane = 0; plane < bits; plane++) {
    add(
      { kind: "plane", plane },
      `plane.${plane}`,
      "U8",
      [rows, planeRowBytes(columns)],
      Math.max(seedBits, plane + 1),
    );
  }
  for (let p = seedBits; p <= bits; p++) {
    if (layer.codec === "codebook") {
      const { groupCount = 1 } = layer;
      const shape = groupCount === 1 ? [rows, 2 ** p] : [rows, groupCount, 2 ** p];
      add({ kind: "table", precision: p }, `table.${p}`, "F16", shape, p);
    }
    if (layer.codec === "bcq") {
      add({ kind: "scale-codes", precision: p }, `scale_codes.${p}`, "I8", [rows, groups, p], p);
      add({ kind: "scale-steps", precision: p }, `scale_steps.${p}`, "F16", [rows], p);
      if (layer.offsets) add({ kind: "offset-codes", precision: p }, `offset_codes.${p}`, "I8", [rows, groups], p);
    }
  }
  return parts;
}

/** The layer as core's contract lists it. */
export function storedLayerOf(layer: LayerFacts): StoredNestedLayer {
  const { name, codec, rows, columns, seedBits, bits, followsPrecision } = layer;
  return {
    codec,
    rows,
    columns,
    seedBits,
    bits,
    followsPrecision,
    bytesAt(precision) {
      const p = followsPrecision ? precision : bits;
      if (!Number.isInteger(p) || p < seedBits || p > bits) {
        throw new PrecisionUnavailableError(`${name}: precision ${p} asked for, it has ${seedBits} to ${bits} bits`);
      }
      const planes = p * rows * planeRowBytes(columns);
      if (codec === "codebook") {
        const outliers = layer.outliers ? 4 * (rows + 1) + 4 * layer.outliers : 0;
        return planes + rows * (layer.groupCount ?? 1) * 2 ** p * 2 + outliers;
      }
      if (codec === "uniform") return planes + rows * 4;
      const groups = columns / (layer.groupSize ?? columns);
      return planes + rows * groups * (p + (layer.offsets ? 1 : 0)) + rows * 2;
    },
  };
}
