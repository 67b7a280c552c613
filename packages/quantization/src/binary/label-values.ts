import { type BinaryRow, UNKNOWNS } from "./binary-row.js";

/**
 * Fills `values[label]` for all labels of `bits` bits with `β + Σ_i ±α_i` of a group, the sign that of bit i, plane 0 the
 * most significant; added in this order, as decoders do.
 */
export function fillLabelValues(row: BinaryRow, group: number, bits: number): void {
  const { values, scales } = row;
  const vector = group * UNKNOWNS;
  values[0] = row.first === 0 ? scales[vector]! : 0;
  for (let i = 0, count = 1; i < bits; i++, count *= 2) {
    const scale = scales[vector + 1 + i]!;
    for (let label = count - 1; label >= 0; label--) {
      const value = values[label]!;
      values[2 * label + 1] = value + scale;
      values[2 * label] = value - scale;
    }
  }
}

/** Σ a (w − value)² of a group as its scales are, with the first `bits` bits of its labels; `shift` is how many follow. */
export function groupError(row: BinaryRow, group: number, bits: number, shift: number): number {
  const { weights, mass, labels, values, groupSize } = row;
  fillLabelValues(row, group, bits);
  let error = 0;
  for (let k = group * groupSize; k < (group + 1) * groupSize; k++) {
    const difference = weights[k]! - values[labels[k]! >> shift]!;
    error += mass[k]! * difference * difference;
  }
  return error;
}
