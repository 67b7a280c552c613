/**
 * The published search for the division of a cluster: binary, looking for a fixed point of the weighted 2-means, between
 * the first and the last point that have mass.
 *
 * It assumes a monotonicity that weighted 2-means does not have, so it finds a fixed point near the optimum or, where it
 * runs out of positions, a neighbour of one; `exact-division.ts` finds the optimum.
 */
import type { SortedRow } from "./sorted-row.js";

/** First position of the right part of [start, stop), at least three points; without any mass, every point counts 1. */
export function referenceDivision(row: SortedRow, start: number, stop: number): number {
  const { values } = row;
  const weightless = row.mass[stop]! === row.mass[start]!;
  const mass = weightless ? row.counts : row.mass;
  const moment = weightless ? row.plainMoment : row.moment;
  let lowest = start + 1;
  while (mass[lowest] === mass[start]) lowest++;
  let floor = lowest;
  let ceiling = stop - 1;
  while (mass[ceiling] === mass[stop]) ceiling--;
  while (floor < ceiling) {
    const d = (floor + ceiling) >> 1;
    const left = (moment[d]! - moment[start]!) / (mass[d]! - mass[start]!);
    const right = (moment[stop]! - moment[d]!) / (mass[stop]! - mass[d]!);
    const midpoint = (left + right) / 2;
    if (midpoint > values[d]!) floor = d + 1;
    else if (midpoint < values[d - 1]!) ceiling = d - 1;
    else return d;
  }
  // Equal values and rounded means can push the ceiling below the first division that leaves mass on the left.
  return Math.max(lowest, (floor + ceiling) >> 1);
}
