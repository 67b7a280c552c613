/**
 * Binary-coded weights in the layout of `../assembly/paired-dot.ts` times activations, in whole numbers. Which of the two
 * ways is faster depends on planes and tokens alone.
 */
import type { Precision } from "@stepdown/core";
import type { HeldLinear, WeightLayout } from "./held-linear.js";
import { type LinearInput, partition } from "./linear-input.js";
import type { Place } from "./multiply-linear.js";
import { MAXIMUM_PARTS, type ParallelExport } from "./threads/board.js";
import { splitRows } from "./threads/split-rows.js";

/** Rows of a run of the layout. */
const RUN_ROWS = 32;
/** Bytes of the sums of a run of 32 rows. */
const SUM_BYTES = 128;
/** Bytes of a tile of 32 rows and of its spread codes; see `../assembly/paired-multiply.ts`. */
const TILE_BYTES = 144 * 64 + 9 * 64;

/** Making a tile takes, per plane, as long as the look-ups of so many tokens; measured, K = 576, N = 1536. */
const TILE_MAKING_TOKENS = 8;
/**
 * Using it takes, per token, as long as the look-ups of so many planes. Measured 2 to 2.5 up to 128 tokens, less where
 * tables no longer fit the second-level cache; a tile is also more accurate, which decides between equals.
 */
const TILE_USE_PLANES = 1.9;

/** Whether to prefer look-ups: at 1 bit, up to 159 tokens at 2 bits, 21 at 3, 15 at 4, 10 at 8. */
function prefersLookUps(precision: Precision, tokens: number): boolean {
  return tokens * precision < TILE_MAKING_TOKENS * precision + TILE_USE_PLANES * tokens;
}

/** A product in parts that are not computed yet: calls without their last argument, memory of so many bytes. */
export interface PlannedProduct {
  readonly name: ParallelExport;
  readonly calls: number[][];
  readonly sumBytes: number;
}

/** Look-ups of so many planes take as long as one weight counts for in {@link splitRows}. */
const PLANES_PER_WEIGHT = 8;

/**
 * The parts of one weight times activations, or undefined where these do not suit whole numbers or float32 was asked for.
 * Planned and not computed at once, so that weights with the same input can be one product for the threads.
 */
export function planPaired(
  { team }: Place,
  weight: HeldLinear,
  layout: Extract<WeightLayout, { readonly kind: "paired" | "bcq" }>,
  precision: Precision,
  input: LinearInput,
  output: number,
  bias: number,
): PlannedProduct | undefined {
  const { rows, columns, paddedColumns } = weight;
  const { planes, planeBytes, groupSize, scales } = layout;
  const { tokens } = input;
  const hasLookUps = tokens === 1 || prefersLookUps(precision, tokens);
  const whole = hasLookUps ? input.tables(paddedColumns, groupSize) : input.rounded(paddedColumns, groupSize);
  if (whole === undefined) return undefined;
  const { factors, factorBytes, numbers, numberBytes } = whole;
  const { groupBlocks, partBlocks } = partition(groupSize);
  const { codes, steps, offsets } = scales.get(precision)!;
  const blocks = Math.ceil(columns / 4);
  const groups = columns / groupSize;
  const planeCodes = 2 * Math.ceil(precision / 2);
  const size = rows * columns * tokens * (hasLookUps ? precision / PLANES_PER_WEIGHT : 1);
  const calls = splitRows(rows, size, team.parts).map(({ first, count }) => {
    const weights = [
      ...[planes + (first / RUN_ROWS) * blocks * 16, planeBytes, count, blocks, groupBlocks, partBlocks, precision],
      ...[codes + first * groups * planeCodes, steps + first * 2, offsets === 0 ? 0 : offsets + first * groups],
    ];
    const target = output + first * 4;
    const addend = bias === 0 ? 0 : bias + first * 4;
    if (tokens === 1) return [...weights, factors, numbers, target, addend];
    const activations = hasLookUps ? [factors, factorBytes, numbers, numberBytes] : [factors, factorBytes, numbers];
    return [...weights, ...activations, tokens, target, rows * 4, addend];
  });
  // One token more than there are: an odd last one is multiplied as a pair.
  const sumBytes = hasLookUps ? SUM_BYTES : TILE_BYTES + (tokens + 1) * SUM_BYTES;
  return { name: tokens === 1 ? "dotPaired" : hasLookUps ? "dotPairedTokens" : "multiplyPaired", calls, sumBytes };
}

/** Products of one kind and one input that are going to be computed together. */
export class PlannedProducts {
  readonly #place: Place;
  readonly #calls: number[][] = [];
  #last: PlannedProduct | undefined;
  #groupSize = 0;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Computes what is planned unless it has the same groups. */
  prepareFor(groupSize: number): void {
    if (groupSize !== this.#groupSize) this.run();
    this.#groupSize = groupSize;
  }

  add(product: PlannedProduct): void {
    if (this.#calls.length + product.calls.length > MAXIMUM_PARTS) this.run();
    this.#calls.push(...product.calls);
    this.#last = product;
  }

  /** Computes what is planned. */
  run(): void {
    if (this.#last === undefined) return;
    const { name, sumBytes } = this.#last;
    const calls = this.#calls.splice(0);
    this.#last = undefined;
    const { scratch, team } = this.#place;
    const sums = scratch.reserve("sums", calls.length * sumBytes);
    calls.forEach((call, index) => {
      call.push(sums + index * sumBytes);
    });
    team.run(name, calls);
  }
}
