/**
 * Scales of a group → codes: signed bytes that count steps of the row, chosen together.
 */
import { float16Table, float32ToFloat16 } from "@stepdown/model-format";
import { LARGEST_FLOAT16 } from "../linear/check-weights.js";
import { type BinaryRow, MATRIX, UNKNOWNS } from "./binary-row.js";

/** Largest magnitude of a code; −128 is left out so that every scale can change its sign. */
const LARGEST_CODE = 127;

/** Codes are improved one at a time; more passes find nothing. */
const MAXIMUM_PASSES = 2;

/** One number before and after rounding; reused by every call. */
const exactStep = new Float32Array(1);
const rounded = new Uint16Array(1);

/** Half-precision pattern of the step that reaches the `largest` scale; 0 where that is too small for any. */
export function patternOfStep(largest: number): number {
  exactStep[0] = Math.min(largest / LARGEST_CODE, LARGEST_FLOAT16);
  const pattern = float32ToFloat16(exactStep, rounded)[0]!;
  // Tiny steps are rounded by up to half of themselves; the next pattern is the next larger step.
  const reach = float16Table()[pattern]! * (LARGEST_CODE + 0.5);
  return pattern > 0 && reach < exactStep[0]! * LARGEST_CODE ? pattern + 1 : pattern;
}

/** Writes the rounded scales `scales[at + u]` of unknowns up to `bits` to `codes[at + u]`; all 0 without a step. */
export function roundScales(
  { first }: BinaryRow,
  bits: number,
  step: number,
  scales: Float64Array,
  codes: Int8Array,
  at: number,
): void {
  for (let u = 0; u <= bits; u++) {
    codes[at + u] = step === 0 || u < first ? 0 : clampCode(Math.round(scales[at + u]! / step));
  }
}

/**
 * Lowers `codesᵀ gram codes − 2 codesᵀ right / step`, the group's error in squared steps less a constant, one code at a
 * time. The codes are at `codes[at + u]`; returns whether one changed.
 */
export function improveCodes(
  { gram, right, first }: BinaryRow,
  group: number,
  bits: number,
  step: number,
  codes: Int8Array,
  at: number,
): boolean {
  if (step === 0) return false;
  let improved = false;
  for (let pass = 0; pass < MAXIMUM_PASSES; pass++) {
    let changed = false;
    for (let u = first; u <= bits; u++) {
      const own = group * MATRIX + u * UNKNOWNS;
      let rest = right[group * UNKNOWNS + u]! / step;
      for (let v = first; v <= bits; v++) rest -= gram[own + v]! * codes[at + v]!;
      const code = clampCode(codes[at + u]! + Math.round(rest / gram[own + u]!));
      if (code !== codes[at + u]!) {
        codes[at + u] = code;
        changed = true;
      }
    }
    if (!changed) break;
    improved = true;
  }
  return improved;
}

function clampCode(code: number): number {
  return Math.max(-LARGEST_CODE, Math.min(LARGEST_CODE, code));
}
