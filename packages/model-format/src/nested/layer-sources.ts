import { InvalidArgumentError, type NestedWeight, type Precision } from "@stepdown/core";
import type { LayerFacts, NestedLayerPart } from "./layer-facts.js";

/** A nested layer to be written: its facts now, its pieces when their shard is written. */
export interface NestedLayerSource extends LayerFacts {
  /**
   * One piece, little-endian: a plane as bytes, tables, steps and outliers as half-precision patterns, `uniform` scales as float32,
   * codes as signed bytes. Called once per piece; all pieces of one precision of all layers come before the next precision.
   */
  read(part: NestedLayerPart, options: { signal?: AbortSignal }): Promise<ArrayBufferView>;
}

/** A float tensor to be written. */
export interface FloatTensorSource {
  readonly name: string;
  readonly type: "F32" | "F16" | "BF16";
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Float32 numbers (rounded to the type), or 16-bit patterns of a 16-bit type. Called once. */
  read(options: { signal?: AbortSignal }): Promise<Float32Array | Uint16Array>;
}

/** A weight in memory as a source. */
export function nestedLayerSource(
  name: string,
  weight: NestedWeight,
  options: { followsPrecision: boolean },
): NestedLayerSource {
  const pick = <T>(value: T | undefined, part: NestedLayerPart): T => {
    if (value === undefined) throw new InvalidArgumentError(`layer "${name}" has no ${JSON.stringify(part)}`);
    return value;
  };
  const scalesOf = (precision: Precision) => (weight.codec === "bcq" ? weight.scales.get(precision) : undefined);
  const outliersOf = () => (weight.codec === "codebook" ? weight.outliers : undefined);
  const outliers = outliersOf()?.values.length ?? 0;
  const groupCount = weight.codec === "codebook" ? (weight.groupCount ?? 1) : 1;
  return {
    name,
    codec: weight.codec,
    rows: weight.rows,
    columns: weight.columns,
    seedBits: weight.seedBits,
    bits: weight.bits,
    followsPrecision: options.followsPrecision,
    ...(weight.codec === "bcq"
      ? { groupSize: weight.groupSize, offsets: weight.scales.get(weight.seedBits)?.offsets !== undefined }
      : {}),
    ...(groupCount > 1 ? { groupCount } : {}),
    ...(outliers > 0 ? { outliers } : {}),
    async read(part) {
      switch (part.kind) {
        case "plane":
          return pick(weight.planes[part.plane], part);
        case "table":
          return pick(weight.codec === "codebook" ? weight.tables.get(part.precision) : undefined, part);
        case "scale":
          return pick(weight.codec === "uniform" ? weight.scales : undefined, part);
        case "outlier-starts":
          return pick(outliersOf()?.starts, part);
        case "outlier-columns":
          return pick(outliersOf()?.columns, part);
        case "outlier-values":
          return pick(outliersOf()?.values, part);
        case "scale-codes":
          return pick(scalesOf(part.precision)?.codes, part);
        case "scale-steps":
          return pick(scalesOf(part.precision)?.steps, part);
        case "offset-codes":
          return pick(scalesOf(part.precision)?.offsets, part);
      }
    },
  };
}
