/**
 * Limits of configuration values. A configuration comes with the weights from anywhere; these keep a damaged or hostile
 * one from asking for memory that no real model needs. All are far above the largest published dense models.
 */

/** Decoder blocks; the deepest published dense models have fewer than 200. */
export const MAXIMUM_BLOCKS = 1024;

/** Hidden and intermediate size, heads × head dimension; a square matrix of this size would be 1 TiB. */
export const MAXIMUM_WIDTH: number = 1 << 19;

/** Attention heads. */
export const MAXIMUM_HEADS = 4096;

/** Tokens in a vocabulary; the largest published ones have about 260,000. */
export const MAXIMUM_VOCABULARY: number = 1 << 22;

/** Positions; ten million have been announced. */
export const MAXIMUM_CONTEXT: number = 1 << 25;

/** Ids that end a generation. */
export const MAXIMUM_END_IDS = 256;
