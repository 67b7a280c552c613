/**
 * Fitted scales of the joint planes → their stored form, row by row because a row has one step per precision. The labels
 * adapt to the rounded scales and these to the labels; then the labels are final.
 */
import { float16Table } from "@stepdown/model-format";
import { type BinaryRow, JOINT, JOINT_BITS, UNKNOWNS } from "./binary-row.js";
import { setBestCells, sumUpCells, writeCells } from "./joint-cells.js";
import { groupError } from "./label-values.js";
import { appendUnknown } from "./normal-equations.js";
import { improveCodes, patternOfStep, roundScales } from "./round-codes.js";

/** Rounds of labels for codes and codes for labels. */
const MAXIMUM_ROUNDS = 1;

/** What is stored of a row at one precision, besides its codes. */
export interface StoredRow {
  /** Half-precision pattern of the step. */
  readonly step: number;
  /** Weighted squared error of the row. */
  readonly error: number;
}

/**
 * Stores the joint planes: leaves labels of 4 bits, `jointCodes`, `jointScales` (as stored) and the equations in agreement,
 * and `codes` and `scales` those of 4 bits. Returns the row's form by precision, errors not rising.
 */
export function storeJointPlanes(row: BinaryRow, seedBits: number): StoredRow[] {
  const { jointScales, jointCodes } = row;
  const patterns: number[] = [];
  for (let p = seedBits; p <= JOINT_BITS; p++) patterns[p] = patternOfStep(largestScale(row, p));
  for (let group = 0; group < row.groups; group++) {
    setBestCells(row, group, seedBits);
    sumUpCells(row, group);
    for (let round = 0; ; round++) {
      for (let p = seedBits; p <= JOINT_BITS; p++) {
        const at = group * JOINT + p * UNKNOWNS;
        const step = float16Table()[patterns[p]!]!;
        if (round === 0) roundScales(row, p, step, jointScales, jointCodes, at);
        improveCodes(row, group, p, step, jointCodes, at);
        for (let u = row.first; u <= p; u++) jointScales[at + u] = jointCodes[at + u]! * step;
      }
      if (round === MAXIMUM_ROUNDS || !setBestCells(row, group, seedBits)) break;
      sumUpCells(row, group);
    }
    writeCells(row, group);
    for (let u = row.first; u <= JOINT_BITS; u++) appendUnknown(row, group, u);
  }
  const stored: StoredRow[] = [];
  for (let p = seedBits; p <= JOINT_BITS; p++) {
    let step = patterns[p]!;
    let error = rowError(row, p);
    const previous = stored[p - 1];
    if (previous !== undefined && error > previous.error) {
      step = previous.step;
      extendPrevious(row, p, float16Table()[step]!);
      error = rowError(row, p);
    }
    stored[p] = { step, error };
  }
  return stored;
}

/** Also leaves the scales and codes of `p` bits in `scales` and `codes`. */
function rowError(row: BinaryRow, p: number): number {
  let error = 0;
  for (let group = 0; group < row.groups; group++) {
    for (let u = 0; u <= p; u++) {
      row.scales[group * UNKNOWNS + u] = row.jointScales[group * JOINT + p * UNKNOWNS + u]!;
      row.codes[group * UNKNOWNS + u] = row.jointCodes[group * JOINT + p * UNKNOWNS + u]!;
    }
    error += groupError(row, group, p, JOINT_BITS - p);
  }
  return error;
}

/** The codes of p − 1 bits with 0 for the new plane have the error of p − 1 bits; from there it can only fall. */
function extendPrevious(row: BinaryRow, p: number, step: number): void {
  const { jointScales, jointCodes } = row;
  for (let group = 0; group < row.groups; group++) {
    const at = group * JOINT + p * UNKNOWNS;
    for (let u = 0; u < p; u++) jointCodes[at + u] = jointCodes[at - UNKNOWNS + u]!;
    jointCodes[at + p] = 0;
    improveCodes(row, group, p, step, jointCodes, at);
    for (let u = row.first; u <= p; u++) jointScales[at + u] = jointCodes[at + u]! * step;
  }
}

function largestScale({ jointScales, groups, first }: BinaryRow, p: number): number {
  let largest = 0;
  for (let group = 0; group < groups; group++) {
    const at = group * JOINT + p * UNKNOWNS;
    for (let u = first; u <= p; u++) largest = Math.max(largest, Math.abs(jointScales[at + u]!));
  }
  return largest;
}
