/**
 * Working memory of error feedback for one row, reused for row after row.
 *
 * Unknowns of a group are the offset (index 0, only with offsets) and the scales of planes 0 … bits−1 (indices 1 … bits). The
 * design D has one column per group and unknown: the plane's signs within the group (ones for the offset), zeros elsewhere.
 * A precision p uses unknowns up to p of every group: `q_p = D α_p`.
 */
import type { FactoredMoments } from "./factor-moments.js";
import { allocateLabelRow, type LabelRow } from "./label-row.js";

/** Memory and the layer's shared parts; layouts as named, all row-major. `S` = bits + 1. */
export interface FeedbackRow extends LabelRow {
  readonly groups: number;
  /** First unknown: 0 with offsets, 1 without. */
  readonly first: 0 | 1;
  /** S: unknowns of a group, the offset counted. */
  readonly stride: number;
  /** `[S][columns]`: ±1, by unknown; the offset's are 1. */
  readonly signs: Float64Array;
  /** `[groups][S][columns]`: DᵀH. */
  readonly products: Float32Array;
  /** `[groups · S][groups · S]`: DᵀHD. */
  readonly gram: Float64Array;
  /** `[groups · S]`: DᵀHw. */
  readonly right: Float64Array;
  /** By precision, `[groups][S]`: scales as fitted or, once codes are there, as stored. */
  readonly scales: readonly Float64Array[];
  /** By precision, `[groups][S]`. */
  readonly codes: readonly Int8Array[];
  /** By precision: half-precision pattern of the step. */
  readonly steps: Uint16Array;
}

/** Allocates the memory for rows of one layer. */
export function createFeedbackRow(
  moments: FactoredMoments,
  settings: { groupSize: number; offset: boolean; seedBits: number; bits: number },
): FeedbackRow {
  const { columns } = moments;
  const { groupSize, offset, seedBits, bits } = settings;
  const groups = columns / groupSize;
  const stride = bits + 1;
  const unknowns = groups * stride;
  const perPrecision = <T>(make: () => T): T[] => Array.from({ length: bits + 1 }, make);
  const row: FeedbackRow = {
    ...allocateLabelRow(moments, settings),
    groups,
    first: offset ? 0 : 1,
    stride,
    signs: new Float64Array(stride * columns),
    products: new Float32Array(unknowns * columns),
    gram: new Float64Array(unknowns * unknowns),
    right: new Float64Array(unknowns),
    scales: perPrecision(() => new Float64Array(unknowns)),
    codes: perPrecision(() => new Int8Array(unknowns)),
    steps: new Uint16Array(bits + 1),
    fillLevels(group) {
      for (let p = seedBits; p <= bits; p++) fillLevels(row, group, p);
    },
  };
  return row;
}

/** Fills `levels[p]` with `β + Σ_i ±α_i` of a group, added in the order of decoders. */
function fillLevels(row: FeedbackRow, group: number, p: number): void {
  const levels = row.levels[p]!;
  const scales = row.scales[p]!;
  const at = group * row.stride;
  levels[0] = row.first === 0 ? scales[at]! : 0;
  for (let i = 0, count = 1; i < p; i++, count *= 2) {
    const scale = scales[at + 1 + i]!;
    for (let label = count - 1; label >= 0; label--) {
      const value = levels[label]!;
      levels[2 * label + 1] = value + scale;
      levels[2 * label] = value - scale;
    }
  }
}
