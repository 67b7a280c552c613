/**
 * The best division of a cluster in two, by evaluating all of them with prefix sums: O(size).
 *
 * With s, a the moment and mass of the left part and S, A those of the cluster, dividing lowers the error by
 * (sA − Sa)² / (A a (A − a)); the factor 1/A is the same for all divisions and left out.
 */
import type { SortedRow } from "./sorted-row.js";

/** First position of the right part of [start, stop), at least two points; ties go to the smallest division. */
export function exactDivision(row: SortedRow, start: number, stop: number): number {
  const weightless = row.mass[stop]! === row.mass[start]!;
  const mass = weightless ? row.counts : row.mass;
  const moment = weightless ? row.plainMoment : row.moment;
  const massStart = mass[start]!;
  const momentStart = moment[start]!;
  const massAll = mass[stop]! - massStart;
  const momentAll = moment[stop]! - momentStart;
  let best = -1;
  let division = start + 1;
  for (let d = start + 1; d < stop; d++) {
    const a = mass[d]! - massStart;
    const rest = massAll - a;
    const difference = (moment[d]! - momentStart) * massAll - momentAll * a;
    const gain = a > 0 && rest > 0 ? (difference * difference) / (a * rest) : 0;
    if (gain > best) {
      best = gain;
      division = d;
    }
  }
  return division;
}
