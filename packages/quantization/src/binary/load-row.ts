/**
 * A row of weights → {@link BinaryRow}, with every group sorted and summed up.
 */
import { type BinaryRow, MATRIX, UNKNOWNS } from "./binary-row.js";

/** Sort keys are exact integers below 2^53: 32 bits of weight, then the column within its group. */
const KEY_COLUMNS = 2 ** 21;

const NEGATIVE_ZERO = 0x80000000;

/**
 * Takes the row that starts at `weights[start]`. Without a sensitivity, and in groups where it is 0 throughout, every
 * weight counts 1.
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
    for (let from = 0; from < columns; from += groupSize) {
      let total = 0;
      for (let k = from; k < from + groupSize; k++) total += mass[k] = sensitivity[sensitivityStart + k]!;
      if (total === 0) mass.fill(1, from, from + groupSize);
    }
  }
  const patterns = new Uint32Array(weights.buffer, weights.byteOffset + 4 * start, columns);
  for (let group = 0; group < row.groups; group++) {
    sortGroup(row, group, patterns);
    sumUpGroup(row, group);
  }
}

function sortGroup({ groupSize, weights, keys, order, sorted }: BinaryRow, group: number, patterns: Uint32Array): void {
  const from = group * groupSize;
  for (let i = 0; i < groupSize; i++) {
    const stored = patterns[from + i]!;
    const pattern = stored === NEGATIVE_ZERO ? 0 : stored;
    // Negative numbers: flip all bits; others: set the sign bit. Unsigned order is then the order of the values.
    keys[i] = ((pattern ^ ((pattern >> 31) | 0x80000000)) >>> 0) * KEY_COLUMNS + i;
  }
  keys.sort();
  for (let i = 0; i < groupSize; i++) {
    const column = from + (keys[i]! % KEY_COLUMNS);
    order[from + i] = column;
    sorted[from + i] = weights[column]!;
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
