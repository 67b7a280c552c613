/**
 * The seed clusters as the published quantizer finds them: greedy k-means++ on the sorted row, then Lloyd's iterations
 * (Any-Precision LLM, arXiv 2402.10517, with flash1dkmeans). A local optimum that depends on the random numbers; the
 * optimum itself is in `exact-seed.ts`.
 */
import type { SortedRow } from "./sorted-row.js";

/** Lloyd's iterations stop here even if a border still moves, as in the published quantizer. */
const MAXIMUM_ITERATIONS = 50;

/** Random numbers that one row consumes: one for the first centroid, the candidates for each further one. */
export function drawsPerRow(clusters: number): number {
  return 1 + (clusters - 1) * candidatesPerCentroid(clusters);
}

function candidatesPerCentroid(clusters: number): number {
  return 2 + Math.floor(Math.log(clusters));
}

/**
 * Fills `centroids[k]` (ascending) and `borders[k + 1]` (sorted positions; cluster i is [borders[i], borders[i + 1])).
 * Centroids are float32 throughout, sums and inertias float64, as in the published quantizer.
 */
export function seedByLloyd(row: SortedRow, draws: Float64Array, centroids: Float32Array, borders: Int32Array): void {
  greedyInitialization(row, draws, centroids);
  lloydIterations(row, centroids, borders);
}

function greedyInitialization(row: SortedRow, draws: Float64Array, centroids: Float32Array): void {
  const clusters = centroids.length;
  const n = row.columns;
  const candidates = candidatesPerCentroid(clusters);
  const trial = new Float32Array(clusters);
  const trialBorders = new Int32Array(clusters + 1);
  const borders = new Int32Array(clusters + 1);
  let used = 0;
  centroids[0] = row.values[firstReaching(row.mass, draws[used++]! * row.mass[n]!)]!;
  for (let count = 1; count < clusters; count++) {
    bordersBetween(row, centroids, count, borders);
    const inertia = inertiaOfFirst(row, centroids, borders, count, n);
    let best = Number.POSITIVE_INFINITY;
    let bestValue = centroids[0]!;
    for (let candidate = 0; candidate < candidates; candidate++) {
      const value = row.values[pointAtInertia(row, centroids, borders, count, draws[used++]! * inertia)]!;
      insertSorted(centroids, count, value, trial);
      bordersBetween(row, trial, count + 1, trialBorders);
      const trialInertia = inertiaOfFirst(row, trial, trialBorders, count + 1, n);
      if (trialInertia < best) {
        best = trialInertia;
        bestValue = value;
      }
    }
    insertSorted(centroids, count, bestValue, trial);
    centroids.set(trial.subarray(0, count + 1));
  }
}

function lloydIterations(row: SortedRow, centroids: Float32Array, borders: Int32Array): void {
  const clusters = centroids.length;
  const next = new Int32Array(clusters + 1);
  borders.fill(-1);
  for (let iteration = 0; iteration < MAXIMUM_ITERATIONS; iteration++) {
    bordersBetween(row, centroids, clusters, next);
    if (next.every((border, index) => border === borders[index])) return;
    borders.set(next);
    for (let c = 0; c < clusters; c++) {
      if (borders[c]! < borders[c + 1]!) centroids[c] = row.clampedMean(borders[c]!, borders[c + 1]!);
    }
  }
}

/** Sorted position of the first point whose inclusive sum reaches `target`. */
function firstReaching(sums: Float64Array, target: number): number {
  let low = 0;
  let high = sums.length - 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle + 1]! >= target) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Voronoi borders of the first `count` centroids; a value equal to a midpoint belongs to the right cluster. */
function bordersBetween(row: SortedRow, centroids: Float32Array, count: number, borders: Int32Array): void {
  const { values, columns: n } = row;
  borders[0] = 0;
  for (let c = 1; c < count; c++) {
    const midpoint = Math.fround(centroids[c - 1]! + centroids[c]!) / 2;
    let low = 0;
    let high = n;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle]! < midpoint) low = middle + 1;
      else high = middle;
    }
    borders[c] = low;
  }
  borders[count] = n;
}

/** Weighted inertia of the first `stop` points: per interval Σaw² − 2cΣaw + c²Σa. */
function inertiaOfFirst(
  row: SortedRow,
  centroids: Float32Array,
  borders: Int32Array,
  count: number,
  stop: number,
): number {
  const { mass, moment, square } = row;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const from = borders[i]!;
    if (from >= stop) break;
    const to = Math.min(borders[i + 1]!, stop);
    const c = centroids[i]!;
    total += square[to]! - square[from]! - 2 * c * (moment[to]! - moment[from]!) + c * c * (mass[to]! - mass[from]!);
  }
  return total;
}

/** The point at which the inertia of the first points reaches `target`: how a point is drawn in proportion to a·d². */
function pointAtInertia(
  row: SortedRow,
  centroids: Float32Array,
  borders: Int32Array,
  count: number,
  target: number,
): number {
  let low = 1;
  let high = row.columns;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (inertiaOfFirst(row, centroids, borders, count, middle) >= target) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}

function insertSorted(sorted: Float32Array, count: number, value: number, result: Float32Array): void {
  let i = count;
  while (i > 0 && sorted[i - 1]! > value) {
    result[i] = sorted[i - 1]!;
    i--;
  }
  result[i] = value;
  while (i > 0) {
    i--;
    result[i] = sorted[i]!;
  }
}
