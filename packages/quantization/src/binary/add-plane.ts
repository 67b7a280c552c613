/**
 * One more plane for a row whose planes so far are frozen (AnyBCQ, arXiv 2510.10467, §3): its bits are the signs of what
 * the other planes leave, and all scales of the new precision are fitted anew, in turn until nothing moves.
 *
 * Only bits of the new plane change, so its row of the equations follows the flips, and the rest stays as it was.
 */
import { type BinaryRow, MATRIX, UNKNOWNS } from "./binary-row.js";
import { fillLabelValues } from "./label-values.js";
import { appendUnknown, solveUnknowns } from "./normal-equations.js";

/** Later rounds move single bits that hardly matter; those for the stored scales follow anyway. */
const MAXIMUM_ROUNDS = 2;

/** Signed masses by label of the planes before. */
const masses = new Float64Array(128);

/** Adds plane `bits − 1` to all groups and fits it, starting from the stored scales of `bits − 1` bits. */
export function addPlane(row: BinaryRow, bits: number): void {
  for (let group = 0; group < row.groups; group++) {
    startPlane(row, group, bits);
    for (let round = 1; ; round++) {
      appendUnknown(row, group, bits);
      solveUnknowns(row, group, bits);
      if (round === MAXIMUM_ROUNDS || assignNewestBits(row, group, bits) === 0) break;
    }
  }
}

/** The new plane's bits are the signs of the residuals, sign(0) = +1; its row of the equations is summed up. */
function startPlane(row: BinaryRow, group: number, bits: number): void {
  const { mass, weights, labels, residualWords, groupSize, gram } = row;
  findResiduals(row, group, bits - 1, 0);
  const count = 1 << (bits - 1);
  for (let label = 0; label < count; label++) masses[label] = 0;
  let moment = 0;
  const from = group * groupSize;
  for (let k = from; k < from + groupSize; k++) {
    const negative = residualWords[2 * (k - from) + 1]! >>> 31;
    const label = labels[k]!;
    const signed = mass[k]! * (1 - 2 * negative);
    labels[k] = (label << 1) | (negative ^ 1);
    masses[label]! += signed;
    moment += signed * weights[k]!;
  }
  row.right[group * UNKNOWNS + bits] = moment;
  const own = group * MATRIX + bits * UNKNOWNS;
  // Plane u − 1 is the last bit of labels of u bits: its sum is that of odd labels less that of even ones.
  for (let u = bits - 1, half = count >> 1; u > 0; u--, half >>= 1) {
    let sum = 0;
    for (let label = 0; label < half; label++) {
      const even = masses[2 * label]!;
      const odd = masses[2 * label + 1]!;
      sum += odd - even;
      masses[label] = even + odd;
    }
    gram[own + u] = sum;
  }
  gram[own] = masses[0]!;
  mirror(row, group, bits);
}

/**
 * Gives the newest of `bits` planes the nearer of the two values that the others allow in every weight of a group. Returns
 * how many bits changed.
 */
export function assignNewestBits(row: BinaryRow, group: number, bits: number): number {
  const { labels, residualWords, groupSize } = row;
  findResiduals(row, group, bits - 1, 1);
  const whenPositive = row.scales[group * UNKNOWNS + bits]! < 0 ? 0 : 1;
  let flips = 0;
  const from = group * groupSize;
  for (let k = from; k < from + groupSize; k++) {
    if ((((residualWords[2 * (k - from) + 1]! >>> 31) ^ labels[k]!) & 1) === whenPositive) continue;
    flip(row, group, bits, k);
    flips++;
  }
  if (flips > 0) mirror(row, group, bits);
  return flips;
}

/** `residuals[k]` = weight less the value of the label's first bits; `shift` is how many bits follow these. */
function findResiduals(row: BinaryRow, group: number, bits: number, shift: number): void {
  const { weights, labels, values, residuals, groupSize } = row;
  fillLabelValues(row, group, bits);
  const from = group * groupSize;
  // Equal numbers leave +0, whose sign bit is 0: sign(0) = +1.
  for (let i = 0; i < groupSize; i++) residuals[i] = weights[from + i]! - values[labels[from + i]! >> shift]!;
}

/** Changes the newest bit of weight k and carries it into the newest plane's row of the equations. */
function flip(row: BinaryRow, group: number, bits: number, k: number): void {
  const { gram, labels } = row;
  const label = labels[k]! ^ 1;
  labels[k] = label;
  const own = group * MATRIX + bits * UNKNOWNS;
  const change = row.mass[k]! * (4 * (label & 1) - 2);
  gram[own]! += change;
  for (let u = 1; u < bits; u++) gram[own + u]! += change * (2 * ((label >> (bits - u)) & 1) - 1);
  row.right[group * UNKNOWNS + bits]! += change * row.weights[k]!;
}

function mirror({ gram }: BinaryRow, group: number, bits: number): void {
  const matrix = group * MATRIX;
  for (let u = 0; u < bits; u++) gram[matrix + u * UNKNOWNS + bits] = gram[matrix + bits * UNKNOWNS + u]!;
}
