/**
 * Labels of all weights of a row for scales that are given: from left to right with error feedback, then by descent.
 *
 * Both choose, column by column, the label whose values are nearest to what each precision would like to have there,
 * `Σ_p ω_p (v_p(c) − t_p)²`: the planes serve all precisions, but every precision feeds back its own errors. `importance`
 * is ω by precision.
 */
import type { LabelRow } from "./label-row.js";

/** A change has to be worth more than rounding, so that descent ends. */
const LEAST_GAIN = 1e-9;

/** Columns whose errors are carried over at once. */
const BATCH = 4;

// Reused by every call; a call never waits, so calls cannot meet.
const targets = new Float64Array(9);

/** Chooses all labels from left to right; errors of a column are made up for by those after it (GPTQ). */
export function feedErrors(row: LabelRow, importance: readonly number[]): void {
  const { columns, groupSize, weights, labels, moments, levels, seedBits: from, bits } = row;
  const { factor } = moments;
  for (let p = from; p <= bits; p++) row.residuals[p]!.fill(0);
  for (let start = 0; start < columns; start += groupSize) {
    const end = Math.min(columns, start + groupSize);
    row.fillLevels(start / groupSize);
    for (let k = start; k < end; k++) {
      const own = k * columns;
      const pivot = factor[own + k]!;
      for (let p = from; p <= bits; p++) targets[p] = weights[k]! + row.residuals[p]![k]! / pivot;
      const label = nearestLabel(row, importance, Number.POSITIVE_INFINITY) ?? 0;
      labels[k] = label;
      for (let p = from; p <= bits; p++) {
        const error = weights[k]! - levels[p]![label >> (bits - p)]!;
        row.values[p]![k] = error;
        const sums = row.residuals[p]!;
        for (let j = k + 1; j < end; j++) sums[j]! += error * factor[own + j]!;
      }
    }
    carryOver(row, start, end);
  }
}

/**
 * `sums[j] += Σ_k errors[k] factor[k][j]` for the columns after a group, two precisions and four columns at a time, so that
 * entries of the factor are read half as often as they are used.
 */
function carryOver(row: LabelRow, start: number, end: number): void {
  const { columns, seedBits, bits, moments } = row;
  const { factor } = moments;
  for (let p = seedBits; p <= bits; p += 2) {
    const x = row.values[p]!;
    const sums = row.residuals[p]!;
    // An odd number of precisions: the last is done twice, the second time into memory that nobody reads.
    const y = p < bits ? row.values[p + 1]! : x;
    const others = p < bits ? row.residuals[p + 1]! : row.residuals[0]!;
    let k = start;
    for (; k + BATCH <= end; k += BATCH) {
      const x0 = x[k]!;
      const x1 = x[k + 1]!;
      const x2 = x[k + 2]!;
      const x3 = x[k + 3]!;
      const y0 = y[k]!;
      const y1 = y[k + 1]!;
      const y2 = y[k + 2]!;
      const y3 = y[k + 3]!;
      const r0 = k * columns;
      const r1 = r0 + columns;
      const r2 = r1 + columns;
      const r3 = r2 + columns;
      for (let j = end; j < columns; j++) {
        const f0 = factor[r0 + j]!;
        const f1 = factor[r1 + j]!;
        const f2 = factor[r2 + j]!;
        const f3 = factor[r3 + j]!;
        sums[j]! += x0 * f0 + x1 * f1 + (x2 * f2 + x3 * f3);
        others[j]! += y0 * f0 + y1 * f1 + (y2 * f2 + y3 * f3);
      }
    }
    for (; k < end; k++) {
      for (let j = end; j < columns; j++) {
        sums[j]! += x[k]! * factor[k * columns + j]!;
        others[j]! += y[k]! * factor[k * columns + j]!;
      }
    }
  }
}

/**
 * Improves labels one weight at a time until nothing changes or `passes` are done. `residuals` and `values` have to be
 * those of the present labels and scales, and stay so. Returns how many labels changed.
 */
export function descendLabels(row: LabelRow, importance: readonly number[], passes: number): number {
  const { columns, groupSize, labels, moments, levels, seedBits: from, bits } = row;
  const { matrix } = moments;
  let total = 0;
  for (let pass = 0; pass < passes; pass++) {
    let changed = 0;
    for (let k = 0; k < columns; k++) {
      if (k % groupSize === 0) row.fillLevels(k / groupSize);
      const own = matrix[k * columns + k]!;
      const before = labels[k]!;
      let present = 0;
      for (let p = from; p <= bits; p++) {
        const step = row.residuals[p]![k]! / own;
        targets[p] = row.values[p]![k]! + step;
        present += importance[p]! * step * step;
      }
      const label = nearestLabel(row, importance, present * (1 - LEAST_GAIN));
      if (label === undefined || label === before) continue;
      labels[k] = label;
      changed++;
      for (let p = from; p <= bits; p++) {
        const value = levels[p]![label >> (bits - p)]!;
        const change = value - row.values[p]![k]!;
        if (change === 0) continue;
        row.values[p]![k] = value;
        subtractRow(row.residuals[p]!, change, matrix, k * columns, columns);
      }
    }
    total += changed;
    if (changed === 0) break;
  }
  return total;
}

function subtractRow(residuals: Float64Array, change: number, matrix: Float32Array, at: number, columns: number): void {
  for (let j = 0; j < columns; j++) residuals[j]! -= change * matrix[at + j]!;
}

// The search in progress: what it looks at, and the best it has found.
let searched: LabelRow;
let weights: readonly number[] = [];
let leastCost = 0;
let bestLabel = -1;

/** The label nearest to `targets`, or `undefined` where none costs less than `bound`. */
function nearestLabel(row: LabelRow, importance: readonly number[], bound: number): number | undefined {
  searched = row;
  weights = importance;
  leastCost = bound;
  bestLabel = -1;
  branch(1, 0, 0);
  return bestLabel < 0 ? undefined : bestLabel;
}

/** Tries both bits of precision p after the label `parent`, the nearer first, or else +: costs only grow from bit to bit. */
function branch(p: number, parent: number, cost: number): void {
  const even = 2 * parent;
  const odd = even + 1;
  if (p < searched.seedBits) {
    branch(p + 1, odd, cost);
    branch(p + 1, even, cost);
    return;
  }
  const levels = searched.levels[p]!;
  const toOdd = levels[odd]! - targets[p]!;
  const toEven = levels[even]! - targets[p]!;
  const costOdd = cost + weights[p]! * toOdd * toOdd;
  const costEven = cost + weights[p]! * toEven * toEven;
  const first = costEven < costOdd ? even : odd;
  const firstCost = Math.min(costEven, costOdd);
  if (p === searched.bits) {
    if (firstCost < leastCost) {
      leastCost = firstCost;
      bestLabel = first;
    }
    return;
  }
  if (firstCost >= leastCost) return;
  branch(p + 1, first, firstCost);
  const secondCost = Math.max(costEven, costOdd);
  if (secondCost < leastCost) branch(p + 1, odd + even - first, secondCost);
}
