/**
 * Labels of one group as cells: intervals of its sorted weights that share a label of 4 bits.
 *
 * With the scales of several precisions given, a weight w should take the label c with the least
 * `Σ_p ω_p (w − v_p(c))²`, v_p(c) the value of the label's first p bits. Less the part that all labels have in common, that
 * is `B_c − 2 w A_c` with `A_c = Σ ω_p v_p(c)`, `B_c = Σ ω_p v_p(c)²`: the best labels are the upper envelope of the lines
 * `2 w A_c − B_c`, so each of them has one interval of weights.
 */
import { type BinaryRow, JOINT, JOINT_BITS, MATRIX, UNKNOWNS } from "./binary-row.js";

const LABELS = 16;

/**
 * What an error at precisions 2, 3, 4 counts: the inverse of what errors are expected to be, a quarter for every bit, so
 * that all precisions improve in proportion.
 */
export const PRECISION_WEIGHTS: readonly number[] = [0, 0, 1, 4, 16];

// Reused by every call; a call never waits, so calls cannot meet.

/** Cells of the group under work, ascending; cell i is sorted positions [ends[i − 1], ends[i]). */
let count = 0;
const labels = new Uint8Array(LABELS);
const ends = new Uint32Array(LABELS);

const slopes = new Float64Array(LABELS);
const heights = new Float64Array(LABELS);
const values = new Float64Array(LABELS);
/** All labels, by their lines. */
const ascending = Uint8Array.from({ length: LABELS }, (_, label) => label);
/** Labels on the envelope, and from which weight on each is the best. */
const hull = new Uint8Array(LABELS);
const starts = new Float64Array(LABELS);
const labelMasses = new Float64Array(LABELS);
const labelMoments = new Float64Array(LABELS);

/** Cells of a uniform code from −reach to +reach around `center`; weights beyond belong to the outermost cells. */
export function setUniformCells(row: BinaryRow, group: number, center: number, reach: number): void {
  count = LABELS;
  for (let label = 0; label < LABELS; label++) {
    labels[label] = label;
    const limit = center + reach * ((label + 1) / (LABELS / 2) - 1);
    ends[label] =
      label === LABELS - 1 ? row.groupSize : positionOf(row, group, limit, label === 0 ? 0 : ends[label - 1]!);
  }
}

/** Cells of the best labels for the group's joint scales. Returns whether anything changed. */
export function setBestCells(row: BinaryRow, group: number, seedBits: number): boolean {
  findLines(row, group, seedBits);
  // Insertion by slope, height and label, from the order of the last call, which is often the same. Of equal lines the
  // highest label comes last and wins: sign(0) = +1.
  for (let i = 1; i < LABELS; i++) {
    const label = ascending[i]!;
    let place = i;
    while (place > 0 && isAfter(ascending[place - 1]!, label)) {
      ascending[place] = ascending[place - 1]!;
      place--;
    }
    ascending[place] = label;
  }
  let changed = false;
  let kept = 0;
  for (let i = 0; i < LABELS; i++) {
    const label = ascending[i]!;
    let start = Number.NEGATIVE_INFINITY;
    while (kept > 0) {
      start = startOf(hull[kept - 1]!, label);
      if (start > starts[kept - 1]!) break;
      kept--;
    }
    starts[kept] = kept === 0 ? Number.NEGATIVE_INFINITY : start;
    hull[kept++] = label;
  }
  let position = 0;
  for (let i = 0; i < kept; i++) {
    if (i === kept - 1) position = row.groupSize;
    else position = positionOf(row, group, starts[i + 1]!, Math.max(position, i < count ? ends[i]! : 0));
    changed ||= labels[i] !== hull[i] || ends[i] !== position;
    labels[i] = hull[i]!;
    ends[i] = position;
  }
  changed ||= count !== kept;
  count = kept;
  return changed;
}

/** Where line `next` takes over from line `before`, which is not steeper. */
function startOf(before: number, next: number): number {
  const slope = slopes[next]! - slopes[before]!;
  return slope > 0 ? (heights[next]! - heights[before]!) / (2 * slope) : Number.NEGATIVE_INFINITY;
}

function isAfter(a: number, b: number): boolean {
  const difference = slopes[a]! - slopes[b]!;
  if (difference !== 0) return difference > 0;
  return heights[a]! < heights[b]! || (heights[a] === heights[b] && a > b);
}

/** Slopes A_c and heights B_c of all labels, one bit after the other: a label begins with those of its first bits. */
function findLines({ jointScales, first }: BinaryRow, group: number, seedBits: number): void {
  slopes[0] = 0;
  heights[0] = 0;
  for (let p = 1; p <= JOINT_BITS; p++) {
    const vector = group * JOINT + p * UNKNOWNS;
    const importance = p < seedBits ? 0 : PRECISION_WEIGHTS[p]!;
    values[0] = first === 0 ? jointScales[vector]! : 0;
    for (let i = 0, size = 1; i < p; i++, size *= 2) {
      const scale = jointScales[vector + 1 + i]!;
      for (let label = size - 1; label >= 0; label--) {
        const value = values[label]!;
        values[2 * label + 1] = value + scale;
        values[2 * label] = value - scale;
      }
    }
    for (let label = (1 << p) - 1; label >= 0; label--) {
      const value = values[label]!;
      slopes[label] = slopes[label >> 1]! + importance * value;
      heights[label] = heights[label >> 1]! + importance * value * value;
    }
  }
}

/** First sorted position whose weight is not below `limit`, looked for from `hint` on: limits move little in a round. */
function positionOf({ sorted, groupSize }: BinaryRow, group: number, limit: number, hint: number): number {
  const from = group * groupSize;
  let position = from + hint;
  while (position > from && sorted[position - 1]! >= limit) position--;
  while (position < from + groupSize && sorted[position]! < limit) position++;
  return position - from;
}

/** `gram` and `right` of the joint planes for the present cells. */
export function sumUpCells(row: BinaryRow, group: number): void {
  const { gram, right, masses, moments } = row;
  const sums = group * (row.groupSize + 1);
  for (let label = 0; label < LABELS; label++) {
    labelMasses[label] = 0;
    labelMoments[label] = 0;
  }
  for (let i = 0, start = sums; i < count; i++) {
    const end = sums + ends[i]!;
    labelMasses[labels[i]!]! += masses[end]! - masses[start]!;
    labelMoments[labels[i]!]! += moments[end]! - moments[start]!;
    start = end;
  }
  transformSums();
  const matrix = group * MATRIX;
  for (let u = 1; u <= JOINT_BITS; u++) {
    const own = LABELS >> u;
    right[group * UNKNOWNS + u] = -labelMoments[own]!;
    for (let v = 0; v < u; v++) {
      const sum = v === 0 ? -labelMasses[own]! : labelMasses[own | (LABELS >> v)]!;
      gram[matrix + u * UNKNOWNS + v] = sum;
      gram[matrix + v * UNKNOWNS + u] = sum;
    }
  }
}

/**
 * Walsh–Hadamard transform of masses and moments in place: entry m becomes `Σ_c sums[c] (−1)^(ones of c and m)`. Signs are
 * +1 for ones, so the entry of one plane is minus its signed sum, and that of two planes the sum signed by their product.
 */
function transformSums(): void {
  for (let half = 1; half < LABELS; half *= 2) {
    // Pair i: its bits at `half` and above move up by one to make room for the bit that the pair differs in.
    for (let i = 0; i < LABELS / 2; i++) {
      const label = 2 * i - (i & (half - 1));
      const mass = labelMasses[label]!;
      const otherMass = labelMasses[label + half]!;
      labelMasses[label] = mass + otherMass;
      labelMasses[label + half] = mass - otherMass;
      const moment = labelMoments[label]!;
      const otherMoment = labelMoments[label + half]!;
      labelMoments[label] = moment + otherMoment;
      labelMoments[label + half] = moment - otherMoment;
    }
  }
}

/** Writes the present cells' labels to their columns. */
export function writeCells(row: BinaryRow, group: number): void {
  const from = group * row.groupSize;
  for (let i = 0, position = 0; i < count; i++) {
    for (const end = ends[i]!; position < end; position++) row.labels[row.order[from + position]!] = labels[i]!;
  }
}
