/**
 * Working memory of error feedback for one row of the codebook codec, and its tables under the full matrix of moments.
 *
 * With Z the indicator of labels at precision p, `q_p = Z t_p`; the best table solves `ZᵀHZ t = ZᵀHw`. The matrix of a
 * precision is the next higher one's with neighbouring labels added up.
 */
import type { FactoredMoments } from "./factor-moments.js";
import { addProduct, allocateLabelRow, type LabelRow } from "./label-row.js";

/** Columns whose errors are carried over at once: a choice of speed only. */
const GROUP = 96;

/**
 * Highest precision whose tables are refitted. Above it a label has a handful of weights, and clusters of the original
 * weights are good enough.
 */
const MAXIMUM_FITTED_BITS = 6;

/** Relative to the mean of the diagonal. */
const RIDGE = 1e-5;

/** Memory of one row. */
export interface CodebookRow extends LabelRow {
  /** Highest precision whose tables are refitted here. */
  readonly fittedBits: number;
  /** By precision up to `fittedBits`, `[2^p][2^p]`: ZᵀHZ. */
  readonly grams: readonly Float64Array[];
  /** By precision up to `fittedBits`, `[2^p]`: ZᵀHw. */
  readonly rights: readonly Float64Array[];
}

/** Allocates the memory for rows of one layer. */
export function createCodebookRow(
  moments: FactoredMoments,
  { seedBits, bits }: { seedBits: number; bits: number },
): CodebookRow {
  const fittedBits = Math.max(seedBits, Math.min(bits, MAXIMUM_FITTED_BITS));
  const perPrecision = (length: (precision: number) => number): Float64Array[] =>
    Array.from({ length: fittedBits + 1 }, (_, p) => new Float64Array(p < seedBits ? 0 : length(p)));
  return {
    ...allocateLabelRow(moments, { groupSize: Math.min(GROUP, moments.columns), seedBits, bits }),
    // A row has one table per precision, whatever the column.
    fillLevels() {},
    fittedBits,
    grams: perPrecision((p) => 4 ** p),
    rights: perPrecision((p) => 2 ** p),
  };
}

/** Fills `grams` and `rights` for the present labels. */
export function fillTableGrams(row: CodebookRow): void {
  const { columns, labels, bits, seedBits, fittedBits, grams, rights, moments, weightMoments } = row;
  const { matrix } = moments;
  const gram = grams[fittedBits]!.fill(0);
  const right = rights[fittedBits]!.fill(0);
  const shift = bits - fittedBits;
  for (let j = 0; j < columns; j++) {
    const own = labels[j]! >> shift;
    const at = own << fittedBits;
    right[own]! += weightMoments[j]!;
    for (let k = 0, entry = j * columns; k < columns; k++, entry++) gram[at + (labels[k]! >> shift)]! += matrix[entry]!;
  }
  for (let p = fittedBits - 1; p >= seedBits; p--) {
    const [from, fromRight] = [grams[p + 1]!, rights[p + 1]!];
    const [to, toRight] = [grams[p]!.fill(0), rights[p]!.fill(0)];
    const size = 2 << p;
    for (let a = 0; a < size; a++) {
      toRight[a >> 1]! += fromRight[a]!;
      for (let b = 0; b < size; b++) to[((a >> 1) << p) + (b >> 1)]! += from[a * size + b]!;
    }
  }
}

// Reused by every call; a call never waits, so calls cannot meet.
const factor = new Float64Array(4 ** MAXIMUM_FITTED_BITS);
const change = new Float64Array(2 ** MAXIMUM_FITTED_BITS);

/** Moves the table of precision p to the least loss for the present labels; labels without weights keep their value. */
export function fitTable(row: CodebookRow, p: number): void {
  if (p > row.fittedBits) return;
  const gram = row.grams[p]!;
  const right = row.rights[p]!;
  const table = row.levels[p]!;
  const n = table.length;
  let trace = 0;
  for (let c = 0; c < n; c++) trace += gram[c * (n + 1)]!;
  const ridge = (RIDGE * trace) / n;
  if (!(ridge > 0)) return;
  for (let i = 0; i < n; i++) {
    let rest = right[i]!;
    for (let j = 0; j < n; j++) rest -= gram[i * n + j]! * table[j]!;
    for (let j = 0; j <= i; j++) {
      let sum = gram[i * n + j]! + (i === j ? ridge : 0);
      for (let k = 0; k < j; k++) sum -= factor[i * n + k]! * factor[j * n + k]!;
      // Rounding must not take away what the ridge has added.
      factor[i * n + j] = i === j ? Math.sqrt(Math.max(sum, ridge)) : sum / factor[j * n + j]!;
    }
    for (let k = 0; k < i; k++) rest -= factor[i * n + k]! * change[k]!;
    change[i] = rest / factor[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    const step = change[i]! / factor[i * n + i]!;
    table[i]! += step;
    for (let k = 0; k < i; k++) change[k]! -= factor[i * n + k]! * step;
  }
}

/** Fills `values[p]` (q) and `residuals[p]` ((w − q) H). */
export function findTableResiduals(row: CodebookRow, p: number): void {
  const { columns, labels, bits, weightMoments, moments } = row;
  const values = row.values[p]!;
  const table = row.levels[p]!;
  for (let k = 0; k < columns; k++) values[k] = table[labels[k]! >> (bits - p)]!;
  const residuals = row.residuals[p]!;
  residuals.set(weightMoments);
  addProduct(residuals, values, -1, moments.matrix, columns);
}
