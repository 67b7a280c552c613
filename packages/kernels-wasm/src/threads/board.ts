/**
 * What threads share: a board in linear memory, where the main thread writes a product as a list of parts. Whoever is free
 * claims a part and computes it, so that nobody waits for a worker that has no core at the moment.
 *
 * Int32 numbers, one cache line for each thing that several threads write: 0 number of the product · 256 + parts nobody has
 * claimed, or −1 for the end; 16 finished parts; 32 workers that sleep; 33 whether a part failed; 48 index of the function;
 * 64 … 32 numbers per part, its arguments. The same numbers are in `../../assembly/team.ts`.
 */
import type { KernelExports } from "../kernel-exports.js";

export const STATE = 0;
export const FINISHED = 16;
export const SLEEPERS = 32;
export const FAILED = 33;
export const FUNCTION = 48;
export const PARTS = 64;
/** Numbers per part. */
export const PART_LENGTH = 32;
/** Most parts of one product. */
export const MAXIMUM_PARTS = 240;
/** Numbers on the board. */
export const BOARD_LENGTH: number = PARTS + MAXIMUM_PARTS * PART_LENGTH;
/** State that ends the workers. */
export const END = -1;
/** By how much the state grows from product to product. */
export const PRODUCT_STEP = 256;
/** Products are numbered from 0 to this, so that the state stays positive. */
export const LARGEST_PRODUCT = 0x3fffff;

/** Functions whose calls can be parts: they take only integers and return nothing. */
export type ParallelExport = Extract<
  keyof KernelExports,
  `dot${string}` | "multiplyPaired" | "attend" | "multiplyTile"
>;

/** In the order of their numbers on the board. */
export const PARALLEL_EXPORTS: readonly ParallelExport[] = [
  "dotDense32",
  "dotDense16",
  "dotCodebook",
  "dotUniform",
  "dotBytes",
  "dotPaired",
  "dotPairedTokens",
  "multiplyPaired",
  "attend",
  "multiplyTile",
];
