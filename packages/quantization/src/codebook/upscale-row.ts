/**
 * Adds bits to the clusters of one row, one at a time: cluster c of b bits becomes 2c (lower values) and 2c + 1 (higher
 * values) of b + 1 bits. Clusters stay in ascending order, so a cluster's index is its bit string, and the tables of each
 * level are those of a model that stops there (Any-Precision LLM, arXiv 2402.10517, §3.2).
 */
import type { SortedRow } from "./sorted-row.js";
import { type Split, type SplitMethod, splitCluster } from "./split.js";

/** Reused by every call of {@link upscaleRow}; a call never waits, so calls cannot meet. */
const split: Split = { division: 0, left: 0, right: 0 };

/**
 * Raises the sorted `row` from `seedBits` to `bits`.
 *
 * `tables[b − seedBits]` is `[rows][2^b]`; the first holds the seed's centroids, the others are filled for row `index`.
 * `borders` holds 2^seedBits + 1 sorted positions and is replaced by 2^bits + 1.
 */
export function upscaleRow(
  row: SortedRow,
  index: number,
  seedBits: number,
  bits: number,
  method: SplitMethod,
  tables: readonly Float32Array[],
  borders: Int32Array,
): void {
  for (let level = seedBits; level < bits; level++) {
    const parents = tables[level - seedBits]!;
    const children = tables[level - seedBits + 1]!;
    const firstParent = index << level;
    const firstChild = index << (level + 1);
    borders[2 << level] = row.columns;
    // From the last cluster down, so that the borders can be spread out in place.
    for (let c = (1 << level) - 1; c >= 0; c--) {
      const start = borders[c]!;
      // The next cluster's start, or the row's end, already stands at its new place 2c + 2.
      splitCluster(row, start, borders[2 * c + 2]!, parents[firstParent + c]!, method, split);
      children[firstChild + 2 * c] = split.left;
      children[firstChild + 2 * c + 1] = split.right;
      borders[2 * c] = start;
      borders[2 * c + 1] = split.division;
    }
  }
}
