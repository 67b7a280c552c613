/**
 * Rotary position embedding (RoFormer, arXiv 2104.09864) with halves paired: element i of a head turns with element
 * i + rotaryDimension/2 by the angle of row `position` and column i of the tables. Elements from rotaryDimension on stay.
 */

/** Sizes of one rotation. */
export interface RotationShape {
  readonly tokens: number;
  readonly heads: number;
  readonly headDimension: number;
  readonly rotaryDimension: number;
  /** Absolute position of the first token. */
  readonly position: number;
}

/** Turns `target` `[tokens][heads][headDimension]` in place; tables `[positions][rotaryDimension / 2]`. */
export function rotateHalves(
  target: Float32Array,
  cosines: Float32Array,
  sines: Float32Array,
  shape: RotationShape,
): void {
  const { tokens, heads, headDimension, rotaryDimension, position } = shape;
  const half = rotaryDimension / 2;
  for (let t = 0; t < tokens; t++) {
    for (let h = 0; h < heads; h++) {
      const at = (t * heads + h) * headDimension;
      for (let i = 0; i < half; i++) {
        const cosine = cosines[(position + t) * half + i]!;
        const sine = sines[(position + t) * half + i]!;
        const first = target[at + i]!;
        const second = target[at + half + i]!;
        target[at + i] = first * cosine - second * sine;
        target[at + half + i] = second * cosine + first * sine;
      }
    }
  }
}
