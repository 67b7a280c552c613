/**
 * How far a kernel set may be from the reference. Every limit is a fraction of the largest number that enters the
 * sum, because that, not the result, is what float32 rounding goes by. All are about ten times what plain float32
 * summation in any order needs, and far below the effect of one wrong bit in the shapes tested here.
 */

/** Per unit of `largest |weight| of the row · Σ |input|`. Allows plane by plane as well as weight by weight summation. */
export const LINEAR_TOLERANCE = 4e-6;
/** Per unit of the largest weight of the row: one product and one rounding. */
export const EMBED_TOLERANCE = 4e-7;
/** Per unit of the result, and for the layer norm of `largest |input| / deviation`. */
export const NORMALIZE_TOLERANCE = 4e-6;
/** Per unit of the two numbers that are turned. */
export const ROTATE_TOLERANCE = 4e-7;
/** Per unit of the result of silu; leaves room for a polynomial exponential. */
export const SILU_TOLERANCE = 4e-6;
/** Per unit of the probability. */
export const SOFTMAX_TOLERANCE = 1e-5;
/** Per unit of the largest value that is mixed. */
export const ATTENTION_TOLERANCE = 1e-5;
/** Further share of the largest value, per unit of the largest possible score: rounding of a score shifts its weight. */
export const ATTENTION_SCORE_TOLERANCE = 1e-6;
/**
 * Factor on both for a cache of bytes: queries and weights may be rounded to 16 bits, whose half step is 1.5e-5 of the
 * largest of a vector, to be multiplied in whole numbers. A byte itself is 250 times coarser.
 */
export const BYTE_CACHE_FACTOR = 16;
/** Absolute difference that never counts: denormals may be flushed to zero, exponentials clamped near their smallest. */
export const NEGLIGIBLE = 1e-30;
