/**
 * The first four planes of a row, found together for all precisions they serve: in turn the best scales of every precision
 * for the labels, and the best labels for all scales. Neither step can raise the joint error.
 *
 * Planes found one at a time (AnyBCQ, arXiv 2510.10467, §3) fit 2 bits best and stay with what that leaves: twice this
 * error at 4 bits.
 */
import { type BinaryRow, JOINT, JOINT_BITS, MATRIX, UNKNOWNS } from "./binary-row.js";
import { PRECISION_WEIGHTS, setBestCells, setUniformCells, sumUpCells } from "./joint-cells.js";
import { appendUnknown, solveUnknowns } from "./normal-equations.js";

/** Rounds after which starts are compared. More choose better at 2 to 4 bits, by 1 % of the error, and slow all down by a fifth. */
const FIRST_ROUNDS = 1;

/** Rounds for the better start; later ones move single weights that hardly matter. */
const FURTHER_ROUNDS = 4;

/** Reaches of the uniform codes that are tried as starts, in standard deviations; the group's range is another. */
const REACHES = [2.2, 2.8];

/** Scales of the best start; reused by every call, which never waits. */
const best = new Float64Array(JOINT);

/** Fits all groups; leaves the scales in `jointScales`. */
export function fitJointPlanes(row: BinaryRow, seedBits: number): void {
  for (let group = 0; group < row.groups; group++) {
    const { jointScales } = row;
    const at = group * JOINT;
    const total = row.gram[group * MATRIX]!;
    const center = row.first === 0 ? row.right[group * UNKNOWNS]! / total : 0;
    const deviation = Math.sqrt(Math.max(0, row.squares[group]! / total - center * center));
    const from = group * row.groupSize;
    const range = Math.max(center - row.sorted[from]!, row.sorted[from + row.groupSize - 1]! - center);
    let least = Number.POSITIVE_INFINITY;
    for (let start = 0; start <= REACHES.length; start++) {
      setUniformCells(row, group, center, start === 0 ? range : REACHES[start - 1]! * deviation);
      const error = descend(row, group, seedBits, FIRST_ROUNDS);
      if (error < least) {
        least = error;
        for (let i = 0; i < JOINT; i++) best[i] = jointScales[at + i]!;
      }
    }
    for (let i = 0; i < JOINT; i++) jointScales[at + i] = best[i]!;
    setBestCells(row, group, seedBits);
    descend(row, group, seedBits, FURTHER_ROUNDS);
  }
}

/** Scales for cells and cells for scales until nothing moves; returns the joint error. */
function descend(row: BinaryRow, group: number, seedBits: number, rounds: number): number {
  for (let round = 1; ; round++) {
    sumUpCells(row, group);
    const error = fitScales(row, group, seedBits);
    if (round === rounds || !setBestCells(row, group, seedBits)) return error;
  }
}

/** Fits all precisions, each of which has the first rows of the same factor; returns the joint error. */
function fitScales(row: BinaryRow, group: number, seedBits: number): number {
  let explained = 0;
  let error = 0;
  for (let u = row.first; u <= JOINT_BITS; u++) {
    appendUnknown(row, group, u);
    const y = row.forward[group * UNKNOWNS + u]!;
    explained += y * y;
    if (u < seedBits) continue;
    error += PRECISION_WEIGHTS[u]! * (row.squares[group]! - explained);
    solveUnknowns(row, group, u);
    for (let v = row.first; v <= u; v++) {
      row.jointScales[group * JOINT + u * UNKNOWNS + v] = row.scales[group * UNKNOWNS + v]!;
    }
  }
  return error;
}
