/**
 * Fitted scales of a row with one more plane → their stored form. Rounding comes last, and the new plane's bits adapt to
 * it: what is judged, and what the next plane starts from, is the stored form.
 */
import { float16Table } from "@stepdown/model-format";
import { assignNewestBits } from "./add-plane.js";
import { type BinaryRow, UNKNOWNS } from "./binary-row.js";
import { groupError } from "./label-values.js";
import { appendUnknown } from "./normal-equations.js";
import { improveCodes, patternOfStep, roundScales } from "./round-codes.js";
import type { StoredRow } from "./store-joint-planes.js";

/** Rounds of bits for codes and codes for bits; a third saves 2 % of the error at 8 bits and costs 5 % of the time. */
const MAXIMUM_ROUNDS = 2;

/**
 * Rounds the fitted scales of `bits` bits and adapts the newest plane. Leaves `codes`, `scales` (as stored) and the
 * equations in agreement. The row's error is never above the previous one.
 */
export function storePlane(row: BinaryRow, bits: number, previous: StoredRow): StoredRow {
  const { codes, codesBefore } = row;
  codesBefore.set(codes);
  let pattern = patternOfStep(largestScale(row, bits));
  let error = 0;
  for (let group = 0; group < row.groups; group++) {
    roundScales(row, bits, float16Table()[pattern]!, row.scales, codes, group * UNKNOWNS);
    error += settle(row, group, bits, pattern);
  }
  if (error > previous.error) {
    // The previous step and codes, with 0 for the new plane, have the previous error; from there it can only fall.
    pattern = previous.step;
    error = 0;
    codes.set(codesBefore);
    for (let group = 0; group < row.groups; group++) {
      codes[group * UNKNOWNS + bits] = 0;
      error += settle(row, group, bits, pattern);
    }
  }
  for (let group = 0; group < row.groups; group++) appendUnknown(row, group, bits);
  return { step: pattern, error };
}

/** Codes for the bits and bits for the codes until neither changes; returns the group's error. */
function settle(row: BinaryRow, group: number, bits: number, pattern: number): number {
  const step = float16Table()[pattern]!;
  const at = group * UNKNOWNS;
  for (let round = 0; round < MAXIMUM_ROUNDS; round++) {
    const improved = improveCodes(row, group, bits, step, row.codes, at);
    if (!improved && round > 0) break;
    for (let u = row.first; u <= bits; u++) row.scales[at + u] = row.codes[at + u]! * step;
    if (assignNewestBits(row, group, bits) === 0) break;
  }
  return groupError(row, group, bits, 0);
}

function largestScale({ scales, first, groups }: BinaryRow, bits: number): number {
  let largest = 0;
  for (let group = 0; group < groups; group++) {
    for (let u = first; u <= bits; u++) largest = Math.max(largest, Math.abs(scales[group * UNKNOWNS + u]!));
  }
  return largest;
}
