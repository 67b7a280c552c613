/**
 * The optimal weighted one-dimensional k-means of a row, by dynamic programming over sorted positions.
 *
 * Clusters of an optimum are intervals. With s, a = Σaw, Σa of an interval its error is Σaw² − s²/a, and the sum of the
 * Σaw² does not depend on the division, so the gain s²/a is maximized:
 *   best_j(m) = max over i < m of best_{j−1}(i) + gain(i, m),   best_1(m) = gain(0, m).
 * The best i does not decrease with m (the gain has the inverse quadrangle property), so positions are visited in halving
 * strides, each between the answers of its two neighbours, and not below the answer for one cluster less:
 * O(k n log n), and the last cluster needs position n only.
 * Ties go to the smallest i. Deterministic, no random numbers.
 */
import type { SortedRow } from "./sorted-row.js";

/** Working memory of {@link seedExactly} for rows of one length; `best` and `choice` are `[clusters][columns + 1]`. */
export interface ExactSeedMemory {
  readonly best: readonly Float64Array[];
  readonly choice: readonly Int32Array[];
}

/** Allocates the working memory. */
export function createExactSeedMemory(columns: number, clusters: number): ExactSeedMemory {
  return {
    best: Array.from({ length: clusters }, () => new Float64Array(columns + 1)),
    choice: Array.from({ length: clusters }, () => new Int32Array(columns + 1)),
  };
}

/**
 * Fills `centroids[k]` (not decreasing) and `borders[k + 1]` with the optimum. A row with fewer values than clusters leaves
 * the last clusters empty, at the last centroid.
 */
export function seedExactly(
  row: SortedRow,
  memory: ExactSeedMemory,
  centroids: Float32Array,
  borders: Int32Array,
): void {
  const n = row.columns;
  const clusters = Math.min(centroids.length, n);
  fillFirst(row, memory.best[0]!);
  for (let j = 1; j < clusters - 1; j++) fillLayer(row, memory, j);
  borders.fill(n);
  if (clusters > 1) borders[clusters - 1] = lastDivision(row, memory.best[clusters - 2]!, clusters - 1);
  for (let j = clusters - 2; j > 0; j--) borders[j] = memory.choice[j]![borders[j + 1]!]!;
  borders[0] = 0;
  for (let c = 0; c < centroids.length; c++) {
    centroids[c] = c < clusters ? row.clampedMean(borders[c]!, borders[c + 1]!) : centroids[clusters - 1]!;
  }
}

function fillFirst(row: SortedRow, best: Float64Array): void {
  const { mass, moment, columns: n } = row;
  for (let m = 1; m <= n; m++) {
    const a = mass[m]!;
    best[m] = a > 0 ? (moment[m]! * moment[m]!) / a : 0;
  }
}

/** Layer j (j + 1 clusters, at least one point each) for all m = j+1 … n. */
function fillLayer(row: SortedRow, memory: ExactSeedMemory, j: number): void {
  const { mass, moment, columns: n } = row;
  const previous = memory.best[j - 1]!;
  const best = memory.best[j]!;
  const choice = memory.choice[j]!;
  const fewer = memory.choice[j - 1]!;
  let stride = 1;
  while (2 * stride <= n) stride *= 2;
  for (; stride >= 1; stride >>= 1) {
    for (let m = stride; m <= n; m += 2 * stride) {
      if (m <= j) continue;
      const low = Math.max(m - stride > j ? choice[m - stride]! : j, fewer[m]!);
      // Among ties, rounding may put a neighbour's answer out of order; one candidate is left then.
      const high = m + stride <= n ? Math.max(low, Math.min(choice[m + stride]!, m - 1)) : m - 1;
      const massEnd = mass[m]!;
      const momentEnd = moment[m]!;
      let most = -1;
      let division = low;
      for (let i = low; i <= high; i++) {
        const a = massEnd - mass[i]!;
        const s = momentEnd - moment[i]!;
        const total = a > 0 ? previous[i]! + (s * s) / a : previous[i]!;
        if (total > most) {
          most = total;
          division = i;
        }
      }
      choice[m] = division;
      best[m] = most;
    }
  }
}

/** The smallest i in [low, n) with the largest previous[i] + gain(i, n): where the last cluster begins. */
function lastDivision(row: SortedRow, previous: Float64Array, low: number): number {
  const { mass, moment, columns: n } = row;
  let most = -1;
  let division = low;
  for (let i = low; i < n; i++) {
    const a = mass[n]! - mass[i]!;
    const s = moment[n]! - moment[i]!;
    const total = a > 0 ? previous[i]! + (s * s) / a : previous[i]!;
    if (total > most) {
      most = total;
      division = i;
    }
  }
  return division;
}
