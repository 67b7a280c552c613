/**
 * Working memory for the binary code of one row: what is known of it while planes are added. Allocated once and reused for
 * row after row; the steps that fill it are in the files beside this one.
 *
 * Unknowns of a group at precision p are the offset (index 0) and the scales of planes 0 … p−1 (indices 1 … p). Without
 * offsets index 0 is only kept up to date, and the unknowns begin at 1. The weighted least-squares fit of a group is
 * `gram · x = right` with `gram[u][v] = Σ_k a_k b_u,k b_v,k`, `right[u] = Σ_k a_k w_k b_u,k`, `b_0 = 1`, `b_{i+1} = ±1`
 * the sign in plane i; every diagonal entry is the group's mass `Σ a_k`.
 */

/** Unknowns of a group at 8 bits. */
export const UNKNOWNS: number = 9;

/** Entries of one group's matrix. */
export const MATRIX: number = UNKNOWNS * UNKNOWNS;

/** Entries of one group's joint scales: one vector for each precision from 0 to 4. */
export const JOINT: number = 5 * UNKNOWNS;

/**
 * Planes that are found together, and the lowest precision at which nothing is left open: however few or many bits are
 * asked for, these planes are the same.
 */
export const JOINT_BITS: number = 4;

/** Memory of one row; layouts as named, all row-major. */
export interface BinaryRow {
  readonly columns: number;
  readonly groupSize: number;
  readonly groups: number;
  /** First unknown: 0 with offsets, 1 without. */
  readonly first: 0 | 1;
  /** `[columns]`. */
  readonly weights: Float64Array;
  /** `[columns]`: how much an error in each weight matters, not negative, and positive somewhere in every group. */
  readonly mass: Float64Array;
  /** `[columns]`: columns of each group in ascending order of their weights, and these weights. */
  readonly order: Uint32Array;
  readonly sorted: Float64Array;
  /** `[groups][groupSize + 1]`: Σ a and Σ aw over the first so many of a group's sorted weights. */
  readonly masses: Float64Array;
  readonly moments: Float64Array;
  /** `[groups]`: Σ aw². */
  readonly squares: Float64Array;
  /** `[groupSize + 1]`, for sorting. */
  readonly buckets: Uint32Array;
  /** `[columns]`: bits of all planes so far, that of plane 0 the most significant. */
  readonly labels: Uint8Array;
  /** `[groups][9][9]`, symmetric. */
  readonly gram: Float64Array;
  /** `[groups][9]`. */
  readonly right: Float64Array;
  /** `[groups][9][9]`: lower Cholesky factor of `gram` from `first` on, its diagonal raised by the ridge. */
  readonly factor: Float64Array;
  /** `[groups][9]`: `factor · forward = right`. */
  readonly forward: Float64Array;
  /** `[groups][5][9]`, by precision: unknowns of the joint planes as fitted, then as stored; and their codes. */
  readonly jointScales: Float64Array;
  readonly jointCodes: Int8Array;
  /** `[groups][9]`: unknowns as fitted, or as stored once they have been rounded. */
  readonly scales: Float64Array;
  /** `[groups][9]`: unknowns as stored, in steps. */
  readonly codes: Int8Array;
  /** `[groups][9]`: codes of the precision before. */
  readonly codesBefore: Int8Array;
  /** Values of all labels of a group, filled and read within one pass. */
  readonly values: Float64Array;
  /** `[groupSize]`, and the same memory as words: the sign of number i is the highest bit of word 2i + 1. */
  readonly residuals: Float64Array;
  readonly residualWords: Uint32Array;
}

/** Allocates the memory. */
export function createBinaryRow(columns: number, groupSize: number, offset: boolean): BinaryRow {
  const groups = columns / groupSize;
  const residuals = new Float64Array(groupSize);
  return {
    columns,
    groupSize,
    groups,
    first: offset ? 0 : 1,
    weights: new Float64Array(columns),
    mass: new Float64Array(columns),
    order: new Uint32Array(columns),
    sorted: new Float64Array(columns),
    masses: new Float64Array(columns + groups),
    moments: new Float64Array(columns + groups),
    squares: new Float64Array(groups),
    buckets: new Uint32Array(groupSize + 1),
    labels: new Uint8Array(columns),
    gram: new Float64Array(groups * MATRIX),
    right: new Float64Array(groups * UNKNOWNS),
    factor: new Float64Array(groups * MATRIX),
    forward: new Float64Array(groups * UNKNOWNS),
    jointScales: new Float64Array(groups * JOINT),
    jointCodes: new Int8Array(groups * JOINT),
    scales: new Float64Array(groups * UNKNOWNS),
    codes: new Int8Array(groups * UNKNOWNS),
    codesBefore: new Int8Array(groups * UNKNOWNS),
    values: new Float64Array(256),
    residuals,
    residualWords: new Uint32Array(residuals.buffer),
  };
}
