/**
 * Scales of all groups of a row, fitted together under the full matrix of moments, and their stored form.
 *
 * For fixed planes the best scales of precision p solve `DᵀHD α = DᵀHw` in the unknowns up to p of every group. Solved for
 * the change with a small ridge, so that scales stay where the planes cannot tell them apart.
 */
import { float16Table } from "@stepdown/model-format";
import { patternOfStep } from "../binary/round-codes.js";
import type { FeedbackRow } from "./feedback-row.js";

/** Relative to the mean of the diagonal. */
const RIDGE = 1e-5;

const LARGEST_CODE = 127;

/** Codes are improved one at a time; more passes find little. */
const MAXIMUM_PASSES = 4;

/** Fills `gram` and `right` from `signs` and `products`. */
export function sumEquations(row: FeedbackRow): void {
  const { columns, groupSize, groups, first, stride, bits, signs, products, gram, right, weightMoments } = row;
  const unknowns = groups * stride;
  for (let a = 0; a < groups; a++) {
    for (let u = first; u <= bits; u++) {
      const index = a * stride + u;
      right[index] = signedSum(weightMoments, 0, signs, u * columns, a * groupSize, groupSize);
      for (let b = 0; b <= a; b++) {
        for (let v = first; v <= (b === a ? u : bits); v++) {
          const other = b * stride + v;
          const sum = signedSum(products, index * columns, signs, v * columns, b * groupSize, groupSize);
          gram[index * unknowns + other] = sum;
          gram[other * unknowns + index] = sum;
        }
      }
    }
  }
}

/** `Σ_k x[at + k] signs[sign + k]` over a group, in four sums that do not wait for each other. */
function signedSum(
  x: Float32Array | Float64Array,
  at: number,
  signs: Float64Array,
  sign: number,
  from: number,
  count: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const end = from + count;
  let k = from;
  for (; k + 4 <= end; k += 4) {
    s0 += x[at + k]! * signs[sign + k]!;
    s1 += x[at + k + 1]! * signs[sign + k + 1]!;
    s2 += x[at + k + 2]! * signs[sign + k + 2]!;
    s3 += x[at + k + 3]! * signs[sign + k + 3]!;
  }
  for (; k < end; k++) s0 += x[at + k]! * signs[sign + k]!;
  return s0 + s1 + (s2 + s3);
}

// Reused by every call; a call never waits, so calls cannot meet.
let places = new Int32Array(0);
let factor = new Float64Array(0);
let gradient = new Float64Array(0);

/** Lists in `places` where unknowns are, plane by plane, so that those of precision p come first; returns how many these are. */
function listUnknowns({ groups, stride, first, bits }: FeedbackRow, p: number): number {
  const all = groups * (bits + 1 - first);
  if (places.length < all) {
    places = new Int32Array(all);
    factor = new Float64Array(all * all);
    gradient = new Float64Array(all);
  }
  const count = groups * (p + 1 - first);
  for (let u = first, n = 0; n < count; u++)
    for (let group = 0; group < groups; group++) places[n++] = group * stride + u;
  return count;
}

/** `gradient = right − gram · x` for the unknowns listed. */
function findGradient(row: FeedbackRow, x: Float64Array, n: number): void {
  const { gram, right } = row;
  const unknowns = right.length;
  for (let i = 0; i < n; i++) {
    const own = places[i]! * unknowns;
    let rest = right[places[i]!]!;
    for (let j = 0; j < n; j++) rest -= gram[own + places[j]!]! * x[places[j]!]!;
    gradient[i] = rest;
  }
}

/** Moves `scales` of all precisions to the least loss for the present planes: each has the first rows of the same factor. */
export function fitScales(row: FeedbackRow): void {
  const { gram, seedBits, bits } = row;
  const all = listUnknowns(row, bits);
  const unknowns = row.right.length;
  let trace = 0;
  for (let i = 0; i < all; i++) trace += gram[places[i]! * (unknowns + 1)]!;
  const ridge = (RIDGE * trace) / all;
  if (!(ridge > 0)) return;
  factorEquations(row, all, ridge);
  for (let p = seedBits; p <= bits; p++) {
    const x = row.scales[p]!;
    const n = listUnknowns(row, p);
    findGradient(row, x, n);
    for (let i = 0; i < n; i++) {
      let y = gradient[i]!;
      for (let k = 0; k < i; k++) y -= factor[i * all + k]! * gradient[k]!;
      gradient[i] = y / factor[i * all + i]!;
    }
    for (let i = n - 1; i >= 0; i--) {
      const change = gradient[i]! / factor[i * all + i]!;
      x[places[i]!]! += change;
      for (let k = 0; k < i; k++) gradient[k]! -= factor[i * all + k]! * change;
    }
  }
}

/** `factor` = lower Cholesky factor of `gram` in the order of `places`, its diagonal raised by the ridge. */
function factorEquations({ gram, right }: FeedbackRow, n: number, ridge: number): void {
  for (let i = 0; i < n; i++) {
    const own = places[i]! * right.length;
    let rest = gram[own + places[i]!]! + ridge;
    for (let j = 0; j < i; j++) {
      let sum = gram[own + places[j]!]!;
      let more = 0;
      let k = 0;
      for (; k + 2 <= j; k += 2) {
        sum -= factor[i * n + k]! * factor[j * n + k]!;
        more += factor[i * n + k + 1]! * factor[j * n + k + 1]!;
      }
      if (k < j) sum -= factor[i * n + k]! * factor[j * n + k]!;
      const entry = (sum - more) / factor[j * n + j]!;
      factor[i * n + j] = entry;
      rest -= entry * entry;
    }
    // Rounding must not take away what the ridge has added.
    factor[i * n + i] = Math.sqrt(Math.max(rest, ridge));
  }
}

/** Rounds `scales[p]` to codes of a step that reaches the largest, improves these together, and takes them over. */
export function storeScales(row: FeedbackRow, p: number): void {
  const x = row.scales[p]!;
  const n = listUnknowns(row, p);
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(x[places[i]!]!));
  const pattern = patternOfStep(largest);
  const step = float16Table()[pattern]!;
  row.steps[p] = pattern;
  const codes = row.codes[p]!;
  for (let i = 0; i < n; i++) {
    const code = step === 0 ? 0 : clampCode(Math.round(x[places[i]!]! / step));
    codes[places[i]!] = code;
    x[places[i]!] = code * step;
  }
  if (step > 0) improveCodes(row, p, n, step);
}

/** Lowers the loss by changing one code at a time, with all others as they are. */
function improveCodes(row: FeedbackRow, p: number, n: number, step: number): void {
  const { gram } = row;
  const unknowns = row.right.length;
  const x = row.scales[p]!;
  const codes = row.codes[p]!;
  findGradient(row, x, n);
  for (let pass = 0; pass < MAXIMUM_PASSES; pass++) {
    let changed = false;
    for (let i = 0; i < n; i++) {
      const place = places[i]!;
      const own = gram[place * (unknowns + 1)]!;
      if (!(own > 0)) continue;
      const before = codes[place]!;
      const code = clampCode(before + Math.round(gradient[i]! / (own * step)));
      if (code === before) continue;
      const change = (code - before) * step;
      codes[place] = code;
      x[place] = code * step;
      for (let j = 0; j < n; j++) gradient[j]! -= gram[place * unknowns + places[j]!]! * change;
      changed = true;
    }
    if (!changed) break;
  }
}

function clampCode(code: number): number {
  return Math.max(-LARGEST_CODE, Math.min(LARGEST_CODE, code));
}

/** Fills `values[p]` (q) and `residuals[p]` ((w − q) H); returns the loss `(w − q) H (w − q)ᵀ`. */
export function findResiduals(row: FeedbackRow, p: number): number {
  const { columns, groupSize, groups, stride, first, signs, products, weightMoments, weights } = row;
  const residuals = row.residuals[p]!;
  const values = row.values[p]!;
  const scales = row.scales[p]!;
  residuals.set(weightMoments);
  values.fill(0);
  for (let group = 0; group < groups; group++) {
    const from = group * groupSize;
    for (let u = first; u <= p; u++) {
      const scale = scales[group * stride + u]!;
      if (scale === 0) continue;
      const at = (group * stride + u) * columns;
      for (let k = 0; k < columns; k++) residuals[k]! -= scale * products[at + k]!;
      for (let k = from; k < from + groupSize; k++) values[k]! += scale * signs[u * columns + k]!;
    }
  }
  let loss = 0;
  for (let k = 0; k < columns; k++) loss += (weights[k]! - values[k]!) * residuals[k]!;
  return loss;
}
