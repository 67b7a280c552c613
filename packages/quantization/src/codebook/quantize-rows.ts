/**
 * Rows of one layer → parent labels and one table of centroids per precision. Each row, or group of a row's columns, is
 * independent of all others, so a layer may be cut into ranges of rows in any way without changing a bit of the result.
 *
 * Synchronous and single-threaded; `../pool` spreads it over threads, `pack-rows.ts` turns the result into stored form.
 */
import { createExactSeedMemory, seedExactly } from "./exact-seed.js";
import { drawsPerRow, seedByLloyd } from "./lloyd-seed.js";
import { randomDraws } from "./random-draws.js";
import { SortedRow } from "./sorted-row.js";
import type { SplitMethod } from "./split.js";
import { upscaleRow } from "./upscale-row.js";

/** What the clustering of a row depends on, besides the row. */
export interface RowSettings {
  /** Bits of the seed clusters. */
  readonly seedBits: number;
  /** Bits of the parent labels. */
  readonly bits: number;
  /** `reference` and `fixed` start from k-means++ and Lloyd, `exact` from the optimum; the splits are as named. */
  readonly mode: SplitMethod;
  /** Seed of the random numbers of `reference` and `fixed`, started anew for every row. */
  readonly seed: number;
  /** Groups of neighbouring columns, each clustered like a row of its own. Default: 1. */
  readonly groupCount?: number;
}

/** A range of rows. */
export interface RowRange extends RowSettings {
  readonly rows: number;
  readonly columns: number;
  /** `[rows][columns]`, finite. */
  readonly weight: Float32Array;
  /** `[columns]`, `[rows][columns]` or absent. */
  readonly sensitivity?: Float32Array;
}

/** Clusters of a range of rows. */
export interface ClusteredRows {
  /** `[rows][columns]`, labels of the highest precision. */
  readonly labels: Uint8Array;
  /** Index b − seedBits: `[rows][groupCount][2^b]`, not decreasing within a group unless the mode is `reference`. */
  readonly tables: readonly Float32Array[];
}

/** Clusters every row of a range. */
export function quantizeRows(range: RowRange): ClusteredRows {
  const { rows, columns, weight, sensitivity, seedBits, bits, groupCount = 1 } = range;
  const groups = rows * groupCount;
  const groupColumns = columns / groupCount;
  const labels = new Uint8Array(rows * columns);
  const tables = Array.from({ length: bits - seedBits + 1 }, (_, i) => new Float32Array(groups * 2 ** (seedBits + i)));
  const group = new SortedRow(groupColumns);
  const seed = createSeeder(range, group);
  const borders = new Int32Array(2 ** bits + 1);
  const seedBorders = borders.subarray(0, 2 ** seedBits + 1);
  const isPerColumn = sensitivity !== undefined && sensitivity.length === columns;
  for (let g = 0; g < groups; g++) {
    const from = g * groupColumns;
    group.load(weight, from, sensitivity, isPerColumn ? from % columns : from);
    seed(tables[0]!.subarray(g << seedBits, (g + 1) << seedBits), seedBorders);
    upscaleRow(group, g, seedBits, bits, range.mode, tables, borders);
    writeLabels(group, borders, 1 << bits, labels, from);
  }
  return { labels, tables };
}

type Seeder = (centroids: Float32Array, borders: Int32Array) => void;

function createSeeder(settings: RowSettings, row: SortedRow): Seeder {
  const clusters = 2 ** settings.seedBits;
  if (settings.mode === "exact") {
    const memory = createExactSeedMemory(row.columns, clusters);
    return (centroids, borders) => seedExactly(row, memory, centroids, borders);
  }
  const draws = randomDraws(settings.seed, drawsPerRow(clusters));
  return (centroids, borders) => seedByLloyd(row, draws, centroids, borders);
}

/** Writes cluster indices back in column order. */
export function writeLabels(
  row: SortedRow,
  borders: Int32Array,
  clusters: number,
  labels: Uint8Array,
  offset: number,
): void {
  const { order } = row;
  for (let c = 0; c < clusters; c++) {
    for (let i = borders[c]!; i < borders[c + 1]!; i++) labels[offset + order[i]!] = c;
  }
}
