/**
 * A row of weights → {@link BinaryRow}, with every group sorted and summed up.
 */
import { type BinaryRow, MATRIX, UNKNOWNS } from "./binary-row.js";

/**
 * Takes the row that starts at `weights[start]`. In groups whose sensitivity is 0 throughout, every weight counts what the
 * row's count on average; without a sensitivity, or where the whole row's is 0, every weight counts 1.
 */
export function loadRow(
  row: BinaryRow,
  weights: Float32Array,
  start: number,
  sensitivity?: Float32Array,
  sensitivityStart = 0,
): void {
  const { columns, groupSize, mass } = row;
  // Adding 0 makes +0 of −0.
  for (let k = 0; k < columns; k++) row.weights[k] = weights[start + k]! + 0;
  if (sensitivity === undefined) {
    mass.fill(1);
  } else {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += mass[k] = sensitivity[sensitivityStart + k]!;
    const average = sum === 0 ? 1 : sum / columns;
    for (let from = 0; from < columns; from += groupSize) {
      let k = from;
      while (k < from + groupSize && mass[k] === 0) k++;
      if (k === from + groupSize) mass.fill(average, from, k);
    }
  }
  for (let group = 0; group < row.groups; group++) {
    sortGroup(row, group);
    sumUpGroup(row, group);
  }
}

/**
 * Buckets of equal width, as many as weights, then insertion, which has little left to do unless weights crowd together.
 * Equal weights stay in the order of their columns.
 */
function sortGroup({ groupSize, weights, buckets, order, sorted }: BinaryRow, group: number): void {
  const from = group * groupSize;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let k = from; k < from + groupSize; k++) {
    least = Math.min(least, weights[k]!);
    most = Math.max(most, weights[k]!);
  }
  const scale = most > least ? (groupSize - 1) / (most - least) : 0;
  buckets.fill(0);
  for (let k = from; k < from + groupSize; k++) buckets[1 + (((weights[k]! - least) * scale) | 0)]!++;
  for (let b = 1; b < groupSize; b++) buckets[b]! += buckets[b - 1]!;
  for (let k = from; k < from + groupSize; k++) {
    const place = from + buckets[((weights[k]! - least) * scale) | 0]!++;
    order[place] = k;
    sorted[place] = weights[k]!;
  }
  for (let i = from + 1; i < from + groupSize; i++) {
    const w = sorted[i]!;
    const column = order[i]!;
    let place = i;
    while (place > from && sorted[place - 1]! > w) {
      sorted[place] = sorted[place - 1]!;
      order[place] = order[place - 1]!;
      place--;
    }
    sorted[place] = w;
    order[place] = column;
  }
}

/** Prefix sums, and what the equations have before there are planes: the diagonal and `right[0]`. */
function sumUpGroup(row: BinaryRow, group: number): void {
  const { groupSize, mass, order, sorted, masses, moments } = row;
  const from = group * groupSize;
  const sums = from + group;
  let total = 0;
  let moment = 0;
  let square = 0;
  masses[sums] = 0;
  moments[sums] = 0;
  for (let i = 0; i < groupSize; i++) {
    const a = mass[order[from + i]!]!;
    const w = sorted[from + i]!;
    total += a;
    moment += a * w;
    square += a * w * w;
    masses[sums + i + 1] = total;
    moments[sums + i + 1] = moment;
  }
  for (let u = 0; u < UNKNOWNS; u++) row.gram[group * MATRIX + u * UNKNOWNS + u] = total;
  row.right[group * UNKNOWNS] = moment;
  row.squares[group] = square;
}
