/**
 * Causal grouped-query attention, written as the definition: per token and head, scores over the positions it may see,
 * softmax with the maximum subtracted, weighted sum of values. All in float64, rounded when stored.
 */
import { softmax } from "./elementwise.js";
import type { KeyValueStorage } from "./key-value-storage.js";

/** Sizes of one attention call. */
export interface AttentionShape {
  readonly block: number;
  readonly tokens: number;
  readonly heads: number;
  /** Absolute position of the first token; token t sees positions 0 … position + t. */
  readonly position: number;
  /** Factor on the scores. */
  readonly scale: number;
  /** A token sees itself and the `window − 1` before it. */
  readonly window: number;
}

/** `queries` and `output` are `[tokens][heads][headDimension]` and may be the same memory. */
export function attendOver(
  storage: KeyValueStorage,
  queries: Float32Array,
  output: Float32Array,
  shape: AttentionShape,
): void {
  const { keyValueHeads, headDimension } = storage.shape;
  const { block, tokens, heads, position, scale, window } = shape;
  const headsPerGroup = heads / keyValueHeads;
  const vector = new Float32Array(headDimension);
  for (let t = 0; t < tokens; t++) {
    const last = position + t;
    const first = Math.max(0, last - window + 1);
    for (let h = 0; h < heads; h++) {
      const group = Math.floor(h / headsPerGroup);
      const at = (t * heads + h) * headDimension;
      const scores = new Float64Array(last - first + 1);
      for (let s = first; s <= last; s++) {
        storage.readKey(block, s, group, vector);
        let dot = 0;
        for (let d = 0; d < headDimension; d++) dot += queries[at + d]! * vector[d]!;
        scores[s - first] = dot * scale;
      }
      const weights = softmax(scores);
      const sums = new Float64Array(headDimension);
      for (let s = first; s <= last; s++) {
        storage.readValue(block, s, group, vector);
        for (let d = 0; d < headDimension; d++) sums[d] = sums[d]! + weights[s - first]! * vector[d]!;
      }
      output.set(sums, at);
    }
  }
}
