/**
 * The least-squares fit of a group's unknowns, one unknown after the other: planes already there keep their rows of the
 * Cholesky factor, so a further plane costs one more row and not a new factor.
 */
import { type BinaryRow, MATRIX, UNKNOWNS } from "./binary-row.js";

/** Relative to the diagonal: equal planes share their scale instead of dividing by zero. Far below any rounding of scales. */
const RIDGE = 1e-12;

/** Appends unknown `last` of `group` to the factor; its row of `gram` and its entry of `right` are complete. */
export function appendUnknown(row: BinaryRow, group: number, last: number): void {
  const { gram, right, factor, forward, first } = row;
  const matrix = group * MATRIX;
  const vector = group * UNKNOWNS;
  const own = matrix + last * UNKNOWNS;
  const diagonal = gram[own + last]!;
  let rest = diagonal * (1 + RIDGE);
  let y = right[vector + last]!;
  for (let u = first; u < last; u++) {
    const other = matrix + u * UNKNOWNS;
    let sum = gram[own + u]!;
    for (let v = first; v < u; v++) sum -= factor[own + v]! * factor[other + v]!;
    const entry = sum / factor[other + u]!;
    factor[own + u] = entry;
    rest -= entry * entry;
    y -= entry * forward[vector + u]!;
  }
  // Rounding must not take away what the ridge has added.
  const pivot = Math.sqrt(Math.max(rest, diagonal * RIDGE));
  factor[own + last] = pivot;
  forward[vector + last] = y / pivot;
}

/** Writes the fitted unknowns `first` … `last` of `group` to `scales`. */
export function solveUnknowns(row: BinaryRow, group: number, last: number): void {
  const { factor, forward, scales, first } = row;
  const matrix = group * MATRIX;
  const vector = group * UNKNOWNS;
  for (let u = last; u >= first; u--) {
    let x = forward[vector + u]!;
    for (let v = u + 1; v <= last; v++) x -= factor[matrix + v * UNKNOWNS + u]! * scales[vector + v]!;
    scales[vector + u] = x / factor[matrix + u * UNKNOWNS + u]!;
  }
}
