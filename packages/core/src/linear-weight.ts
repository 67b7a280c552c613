import type { Precision } from "./precision.js";

/**
 * The weight of one linear layer `y = W x`, `W[rows][columns]`, rows = output features (N), columns = input features
 * (K), as it is stored. A discriminated union over the codec.
 *
 * Planes are shared by the nested codecs: plane 0 holds the most significant bit of every weight's label, precision `p`
 * reads planes 0 … p−1 and nothing else. One plane is bytes `[rows][ceil(columns / 8)]`; within a row, column `k` is bit
 * `k mod 8` (least significant first) of byte `floor(k / 8)`; surplus bits of the last byte are 0.
 */
export type LinearWeight = DenseWeight | CodebookWeight | UniformWeight | BinaryCodedWeight;

/** The codecs a {@link LinearWeight} can have. */
export type WeightCodec = LinearWeight["codec"];

/** The codecs whose weights are nested bit planes. */
export type NestedWeight = CodebookWeight | UniformWeight | BinaryCodedWeight;

/** What every weight has. */
export interface LinearShape {
  /** Output features N. */
  readonly rows: number;
  /** Input features K. */
  readonly columns: number;
}

/** Stored float numbers, row-major `[rows][columns]`. It ignores the precision it is used at. */
export interface DenseWeight extends LinearShape {
  readonly codec: "dense";
  /** Number format: `f32` as `Float32Array`; `f16` and `bf16` as the 16-bit patterns. */
  readonly type: "f32" | "f16" | "bf16";
  readonly data: Float32Array | Uint16Array;
}

/** What the nested codecs have in common. */
export interface NestedPlanes extends LinearShape {
  /** Lowest precision that has tables or scales. */
  readonly seedBits: Precision;
  /** Highest precision held here, equal to `planes.length`. */
  readonly bits: Precision;
  /** Planes 0 … bits−1, most significant first; layout above. */
  readonly planes: readonly Uint8Array[];
}

/**
 * Free centroids per row (Any-Precision LLM, arXiv 2402.10517): the weight at precision `p` is
 * `table_p[row][group][label >> (bits − p)]`, the label read from the first `p` planes, most significant bit first. A row has
 * one group, or `groupCount` equal ones of neighbouring columns.
 *
 * Effective bits per weight at precision p: `p + 16 · 2^p · groupCount / columns`.
 */
export interface CodebookWeight extends NestedPlanes {
  readonly codec: "codebook";
  /**
   * Groups of columns per row, each with tables of its own. A multiple of 8 columns each where there are several, so that
   * they begin at whole bytes of the planes. Absent: 1.
   */
  readonly groupCount?: number;
  /** For every precision seedBits … bits: IEEE half-precision patterns `[rows][groupCount][2^p]`. */
  readonly tables: ReadonlyMap<Precision, Uint16Array>;
  /** Weights that no precision takes from the tables. Absent: none. */
  readonly outliers?: SparseOutliers;
}

/**
 * Single weights kept apart, row by row (dense-and-sparse, arXiv 2306.07629). They replace what the tables say at their
 * places, at every precision; their places still have labels, which mean nothing.
 *
 * Effective bits per weight: `32 · share + 32 / columns` more.
 */
export interface SparseOutliers {
  /** `[rows + 1]`: row r has entries `starts[r]` to `starts[r + 1] − 1`; the first is 0, the last the number of entries. */
  readonly starts: Uint32Array;
  /** Column of each entry, ascending within a row. */
  readonly columns: Uint16Array;
  /** IEEE half-precision patterns. */
  readonly values: Uint16Array;
}

/** Whether a codebook's rows of so many columns can have so many groups. */
export function areCodebookGroups(columns: number, groupCount: number): boolean {
  if (groupCount === 1) return true;
  return Number.isInteger(groupCount) && groupCount > 1 && columns % (8 * groupCount) === 0;
}

/** Columns that a weight with outliers can have: what their 16-bit numbers reach. */
export const MAXIMUM_OUTLIER_COLUMNS = 65_536;

/**
 * Mid-rise uniform code with one step per row, nested by truncation; used for embeddings and output heads, where tables
 * per row would outweigh the codes. The weight at precision `p` is `scale[row] · (2u + 1 − 2^p) / 2^p` with `u` the first
 * `p` bits of the label, so that `scale[row]` is the row's largest magnitude. With signs `b = 2·bit − 1` the same value is
 * `scale[row] · Σ_i b_i 2^−(i+1)`: the binary code with halving scales.
 *
 * Effective bits per weight at precision p: `p + 32 / columns`.
 */
export interface UniformWeight extends NestedPlanes {
  readonly codec: "uniform";
  /** `[rows]`. */
  readonly scales: Float32Array;
}

/**
 * Binary-coded weights (AnyBCQ, arXiv 2510.10467): within a group of `groupSize` columns the weight at precision `p` is
 * `Σ_{i<p} α_i b_i (+ β)`, `b_i = 2·bit_i − 1`. Every plane enters linearly. Scales are stored per precision.
 *
 * Effective bits per weight at precision p, without offsets: `p + 8p / groupSize + 16 / columns`.
 */
export interface BinaryCodedWeight extends NestedPlanes {
  readonly codec: "bcq";
  /** Columns that share their scales; divides `columns`. */
  readonly groupSize: number;
  /** For every precision seedBits … bits. */
  readonly scales: ReadonlyMap<Precision, BinaryScales>;
}

/** Scales of one precision: `α[row][group][i] = codes[row][group][i] · steps[row]`; signed, in no order. */
export interface BinaryScales {
  /** `[rows][columns / groupSize][precision]`. */
  readonly codes: Int8Array;
  /** `[rows]`, IEEE half-precision patterns. */
  readonly steps: Uint16Array;
  /** Offsets `β[row][group] = offsets[row][group] · steps[row]`, `[rows][columns / groupSize]`. Absent: no offsets. */
  readonly offsets?: Int8Array;
}
