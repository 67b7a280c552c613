/**
 * One cluster divided in two: the step that adds a bit (Any-Precision LLM, arXiv 2402.10517, §3.2).
 *
 * Clusters are intervals [start, stop) of sorted positions; the left child gets the lower values. The special cases of small
 * and weightless clusters are here, the searches for the division in `reference-division.ts` and `exact-division.ts`.
 * Zero-ness is always decided from differences of the same prefix sums.
 */
import { exactDivision } from "./exact-division.js";
import { referenceDivision } from "./reference-division.js";
import type { SortedRow } from "./sorted-row.js";

/**
 * How divisions are searched: as published; as published, with centroids that cannot leave their cluster; or by evaluating
 * all of them.
 */
export type SplitMethod = "reference" | "fixed" | "exact";

/** Result of a split, reused from call to call: the inner loops must not allocate. */
export interface Split {
  /** First sorted position of the right child. */
  division: number;
  left: number;
  right: number;
}

/** Divides cluster [start, stop) with centroid `parent`; writes to `result`. */
export function splitCluster(
  row: SortedRow,
  start: number,
  stop: number,
  parent: number,
  method: SplitMethod,
  result: Split,
): void {
  const size = stop - start;
  if (size === 0) {
    result.division = start;
    result.left = parent;
    result.right = parent;
  } else if (size <= 2) {
    result.division = start + 1;
    result.left = row.values[start]!;
    result.right = row.values[stop - 1]!;
  } else if (hasOneMass(row, start, stop)) {
    const value = row.values[lastWithMass(row.mass, start, stop)]!;
    result.division = stop;
    result.left = value;
    result.right = value;
  } else if (method === "reference") {
    result.division = referenceDivision(row, start, stop);
    result.left = row.mean(start, result.division);
    result.right = row.mean(result.division, stop);
  } else {
    result.division = method === "exact" ? exactDivision(row, start, stop) : referenceDivision(row, start, stop);
    result.left = row.clampedMean(start, result.division);
    result.right = row.clampedMean(result.division, stop);
  }
}

/** Whether all of a cluster's mass is the last mass that was added. */
function hasOneMass(row: SortedRow, start: number, stop: number): boolean {
  const { mass } = row;
  const total = mass[stop]! - mass[start]!;
  if (total === 0) return false;
  const last = lastWithMass(mass, start, stop);
  return mass[last + 1]! - mass[last]! === total;
}

function lastWithMass(mass: Float64Array, start: number, stop: number): number {
  let i = stop - 1;
  while (i > start && mass[i] === mass[stop]) i--;
  return i;
}
