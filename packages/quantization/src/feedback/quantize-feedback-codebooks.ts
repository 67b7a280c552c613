/**
 * Rows of one layer → codebook labels and tables with little loss `(w − q) H (w − q)ᵀ` at every precision.
 *
 * The same steps as for the binary code (`quantize-feedback-rows.ts`): clusters of the codec without feedback as a start,
 * labels of all precisions by error feedback, tables refitted under the full matrix, descent over labels. What is lost is
 * order: labels no longer rise with the weights, tables no longer with the labels.
 */
import { float16Table, float32ToFloat16, packPlanes } from "@stepdown/model-format";
import type { PackedRows } from "../codebook/pack-rows.js";
import { quantizeRows, type RowRange } from "../codebook/quantize-rows.js";
import { LARGEST_FLOAT16 } from "../linear/check-weights.js";
import { descendLabels, feedErrors } from "./choose-labels.js";
import { createCodebookRow, fillTableGrams, findTableResiduals, fitTable } from "./codebook-row.js";
import { type FactoredMoments, pricesOf } from "./factor-moments.js";
import type { FeedbackPlan } from "./feedback-plan.js";
import { loadWeights } from "./label-row.js";

/** A range of rows with what its layer shares. */
export interface FeedbackCodebookRange extends Omit<RowRange, "sensitivity">, FeedbackPlan {
  readonly moments: FactoredMoments;
}

/** Codes every row of a range. */
export function quantizeFeedbackCodebooks(range: FeedbackCodebookRange): PackedRows {
  const { rows, columns, weight, seedBits, bits, moments, importance, feeds, rounds, passes } = range;
  const start = quantizeRows({ ...range, sensitivity: pricesOf(moments) });
  const labels = new Uint8Array(rows * columns);
  const tables = start.tables.map((table) => new Uint16Array(table.length));
  const row = createCodebookRow(moments, range);
  const patterns = new Uint16Array(2 ** bits);
  const rounded = new Float32Array(2 ** bits);
  /** Takes a table over as it will be stored. */
  const store = (p: number, r: number): void => {
    const levels = row.levels[p]!;
    for (let c = 0; c < levels.length; c++)
      rounded[c] = Math.max(-LARGEST_FLOAT16, Math.min(LARGEST_FLOAT16, levels[c]!));
    float32ToFloat16(rounded.subarray(0, levels.length), patterns);
    const target = tables[p - seedBits]!;
    for (let c = 0; c < levels.length; c++) {
      target[(r << p) + c] = patterns[c]!;
      levels[c] = float16Table()[patterns[c]!]!;
    }
  };
  for (let r = 0; r < rows; r++) {
    loadWeights(row, weight, r * columns);
    for (let p = seedBits; p <= bits; p++)
      row.levels[p]!.set(start.tables[p - seedBits]!.subarray(r << p, (r + 1) << p));
    for (let feed = 0; feed < feeds; feed++) {
      if (feed > 0) fitTables();
      feedErrors(row, importance);
    }
    for (let round = 0; round < rounds; round++) {
      fitTables();
      for (let p = seedBits; p <= bits; p++) {
        store(p, r);
        findTableResiduals(row, p);
      }
      if (descendLabels(row, importance, passes) === 0) break;
    }
    labels.set(row.labels, r * columns);
  }
  return { planes: packPlanes(labels, rows, columns, bits), tables };

  function fitTables(): void {
    fillTableGrams(row);
    for (let p = seedBits; p <= bits; p++) fitTable(row, p);
  }
}
