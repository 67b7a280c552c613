import type { LinearShape } from "./linear-weight.js";
import type { WaitOptions } from "./progress.js";

/**
 * How much an error in each weight matters, the weights of the quantizer's clustering.
 *
 * `columns`: one value per input feature, `[columns]`, shared by all rows (second moments of the activations).
 * `weights`: one value per weight, row-major `[rows][columns]` (diagonal Fisher: sums of squared gradients).
 * `moments`: the whole matrix of second moments Σ s_t x_t x_tᵀ of the inputs x, `[columns][columns]`, symmetric, for error
 * feedback (GPTQ, arXiv 2210.17323); s_t weighs tokens: 1, or the mean squared gradient of the layer's outputs ("guided").
 * A quantizer that knows no feedback uses its diagonal as `columns`.
 * Values are finite, those of `columns`, `weights` and a diagonal not negative; only ratios within a row matter, of
 * `moments` within the matrix.
 */
export type Sensitivity =
  | { readonly kind: "columns"; readonly values: Float32Array }
  | { readonly kind: "weights"; readonly values: Float32Array }
  | { readonly kind: "moments"; readonly values: Float32Array };

/** Supplies sensitivities to a quantizer, layer by layer. */
export interface SensitivitySource {
  /** What it is, for file metadata and people: "second-moments", "fisher". */
  readonly name: string;
  /** Identifies everything the values depend on (text, tokens, model); part of the key under which work is resumed. */
  readonly key: string;
  /** The sensitivity of one layer (`name` without `.weight`), or `undefined` for equal weights. */
  read(name: string, shape: LinearShape, options?: WaitOptions): Promise<Sensitivity | undefined>;
}
