/**
 * Rows of one layer → binary-coded planes and scales with little loss `(w − q) H (w − q)ᵀ` at every precision.
 *
 * All planes are found together for all precisions: scales of the codec without feedback as a start, labels by error
 * feedback, then rounds of {scales of all groups fitted together and rounded; descent over labels}. Rows do not depend on
 * each other.
 */
import { packPlanes } from "@stepdown/model-format";
import { createBinaryRow, JOINT, JOINT_BITS, UNKNOWNS } from "../binary/binary-row.js";
import { fitJointPlanes } from "../binary/joint-planes.js";
import { loadRow } from "../binary/load-row.js";
import type { BinaryRowRange, PackedBinaryRows, PackedBinaryScales } from "../binary/quantize-binary-rows.js";
import { descendLabels, feedErrors } from "./choose-labels.js";
import { type FactoredMoments, pricesOf } from "./factor-moments.js";
import type { FeedbackPlan } from "./feedback-plan.js";
import { createFeedbackRow, type FeedbackRow } from "./feedback-row.js";
import { findResiduals, fitScales, storeScales, sumEquations } from "./fit-scales.js";
import { loadWeights } from "./label-row.js";
import { sumProducts } from "./sign-products.js";

/** A range of rows with what its layer shares. */
export interface FeedbackRowRange extends Omit<BinaryRowRange, "sensitivity">, FeedbackPlan {
  readonly moments: FactoredMoments;
}

/**
 * How a start's scales above 4 bits shrink from plane to plane. A little more than half: neighbouring cells overlap, so that
 * finer planes can undo what feedback does to the coarser ones.
 */
const RATIO = 0.53;

/** Codes every row of a range. */
export function quantizeFeedbackRows(range: FeedbackRowRange): PackedBinaryRows {
  const { rows, columns, weight, seedBits, bits, moments, groupSize } = range;
  const labels = new Uint8Array(rows * columns);
  const scales = Array.from({ length: bits - seedBits + 1 }, (_, i) => allocateScales(range, seedBits + i));
  const row = createFeedbackRow(moments, range);
  const start = createBinaryRow(columns, groupSize, range.offset);
  const prices = pricesOf(moments);
  for (let r = 0; r < rows; r++) {
    loadRow(start, weight, r * columns, prices);
    fitJointPlanes(start, seedBits);
    loadWeights(row, weight, r * columns);
    fitRow(row, range, start.jointScales);
    for (let p = seedBits; p <= bits; p++) copyScales(row, r, p, scales[p - seedBits]!);
    labels.set(row.labels, r * columns);
  }
  return { planes: packPlanes(labels, rows, columns, bits), scales };
}

/** Finds labels, codes and steps. */
function fitRow(row: FeedbackRow, { importance, feeds, rounds, passes }: FeedbackPlan, start: Float64Array): void {
  const { groups, stride, seedBits, bits } = row;
  for (let p = seedBits; p <= bits; p++) {
    if (p > JOINT_BITS) {
      spreadScales(row, p);
      continue;
    }
    for (let group = 0; group < groups; group++) {
      for (let u = 0; u <= p; u++) row.scales[p]![group * stride + u] = start[group * JOINT + p * UNKNOWNS + u]!;
    }
  }
  feedErrors(row, importance);
  for (let feed = 1; feed < feeds; feed++) {
    sumProducts(row);
    sumEquations(row);
    fitScales(row);
    feedErrors(row, importance);
  }
  for (let round = 0; round < rounds; round++) {
    sumProducts(row);
    sumEquations(row);
    fitScales(row);
    for (let p = seedBits; p <= bits; p++) {
      storeScales(row, p);
      findResiduals(row, p);
    }
    if (descendLabels(row, importance, passes) === 0) break;
  }
}

/** Starts a precision above 4 with a nearly uniform code that reaches every weight of its group. */
function spreadScales(row: FeedbackRow, p: number): void {
  const { groupSize, groups, stride, weights } = row;
  for (let group = 0; group < groups; group++) {
    let reach = 0;
    for (let k = group * groupSize; k < (group + 1) * groupSize; k++) reach = Math.max(reach, Math.abs(weights[k]!));
    let scale = (reach * (1 - RATIO)) / (1 - RATIO ** p);
    for (let i = 1; i <= p; i++, scale *= RATIO) row.scales[p]![group * stride + i] = scale;
    row.scales[p]![group * stride] = 0;
  }
}

function allocateScales(
  { rows, columns, groupSize, offset }: Pick<BinaryRowRange, "rows" | "columns" | "groupSize" | "offset">,
  precision: number,
): PackedBinaryScales {
  const groups = rows * (columns / groupSize);
  return {
    codes: new Int8Array(groups * precision),
    steps: new Uint16Array(rows),
    ...(offset ? { offsets: new Int8Array(groups) } : {}),
  };
}

/** Row `index` of precision p. */
function copyScales(
  { groups, stride, codes, steps }: FeedbackRow,
  index: number,
  p: number,
  target: PackedBinaryScales,
): void {
  target.steps[index] = steps[p]!;
  for (let group = 0; group < groups; group++) {
    const place = index * groups + group;
    for (let i = 0; i < p; i++) target.codes[place * p + i] = codes[p]![group * stride + 1 + i]!;
    if (target.offsets !== undefined) target.offsets[place] = codes[p]![group * stride]!;
  }
}
