/**
 * Tensor types of GGUF files: number in the file, name, weights per block and bytes per block.
 *
 * Effective bits per weight: `8 · bytes / weights`. Types without a dequantizer here are listed so that files holding them
 * can be inspected.
 */
export interface GgufType {
  readonly name: string;
  /** Weights that share scales; a row is a whole number of blocks. */
  readonly blockWeights: number;
  readonly blockBytes: number;
}

const define = (name: string, blockWeights: number, blockBytes: number): GgufType => ({
  name,
  blockWeights,
  blockBytes,
});

/** By the number that stands in the file. */
export const ggufTypes: ReadonlyMap<number, GgufType> = new Map([
  [0, define("F32", 1, 4)],
  [1, define("F16", 1, 2)],
  [2, define("Q4_0", 32, 18)],
  [3, define("Q4_1", 32, 20)],
  [6, define("Q5_0", 32, 22)],
  [7, define("Q5_1", 32, 24)],
  [8, define("Q8_0", 32, 34)],
  [9, define("Q8_1", 32, 36)],
  [10, define("Q2_K", 256, 84)],
  [11, define("Q3_K", 256, 110)],
  [12, define("Q4_K", 256, 144)],
  [13, define("Q5_K", 256, 176)],
  [14, define("Q6_K", 256, 210)],
  [15, define("Q8_K", 256, 292)],
  [16, define("IQ2_XXS", 256, 66)],
  [17, define("IQ2_XS", 256, 74)],
  [18, define("IQ3_XXS", 256, 98)],
  [19, define("IQ1_S", 256, 50)],
  [20, define("IQ4_NL", 32, 18)],
  [21, define("IQ3_S", 256, 110)],
  [22, define("IQ2_S", 256, 82)],
  [23, define("IQ4_XS", 256, 136)],
  [24, define("I8", 1, 1)],
  [25, define("I16", 1, 2)],
  [26, define("I32", 1, 4)],
  [27, define("I64", 1, 8)],
  [28, define("F64", 1, 8)],
  [29, define("IQ1_M", 256, 56)],
  [30, define("BF16", 1, 2)],
  [34, define("TQ1_0", 256, 54)],
  [35, define("TQ2_0", 256, 66)],
  [39, define("MXFP4", 32, 17)],
  [40, define("NVFP4", 64, 36)],
]);
