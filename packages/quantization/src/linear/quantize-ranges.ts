/**
 * One linear layer, cut into ranges of rows for a pool's threads; the same for all codecs that work on rows.
 */
import type { LinearShape, Sensitivity, WaitOptions } from "@stepdown/core";
import { createRowPool } from "../pool/create-row-pool.js";
import type { RowPool } from "../pool/row-pool.js";
import type { RowCodec, RowWork } from "../pool/row-work.js";
import { checkSensitivity, checkShape, checkWeights, diagonalOf } from "./check-weights.js";

/** Options that every codec has. */
export interface LayerOptions extends WaitOptions {
  /** How much an error in each weight matters. Default: all the same. */
  sensitivity?: Sensitivity;
  /** Tensor name for messages. Default: "the weight". */
  name?: string;
  /** Where to work. Default: a pool of one thread per core, for this call. */
  pool?: RowPool;
}

/** What {@link quantizeRanges} needs to know of a codec. */
export interface RangePlan<C extends Exclude<RowCodec, "moments">> {
  readonly codec: C;
  /** What a range has besides its rows. */
  readonly settings: Omit<RowWork[C]["range"], "rows" | "columns" | "weight" | "sensitivity">;
  /** Weights per range. Default: some 15 ms of work of the codecs without feedback. */
  readonly weightsPerRange?: number;
  /** Puts a finished range where it belongs; `start` is its first row. */
  place(rows: RowWork[C]["rows"], start: number): void;
}

/** Weights per range: some 15 ms of work, so that a cancel lands soon and the threads end together. */
const WEIGHTS_PER_RANGE = 2 ** 16;

/** Ranges copied ahead for every thread, so that none waits for this one. */
const RANGES_PER_THREAD = 2;

/** Checks that a layer can be quantized; `name` is for messages. */
export function checkLayer(weight: Float32Array, shape: LinearShape, { sensitivity, name }: LayerOptions): void {
  const label = name ?? "the weight";
  checkShape(shape, weight.length, label);
  checkWeights(weight, shape.columns, label);
  if (sensitivity !== undefined) checkSensitivity(sensitivity, shape, label);
}

/** Quantizes all rows of a checked layer, range by range; the result does not depend on how it is cut. */
export async function quantizeRanges<C extends Exclude<RowCodec, "moments">>(
  weight: Float32Array,
  { rows, columns }: LinearShape,
  plan: RangePlan<C>,
  options: LayerOptions,
): Promise<void> {
  const { signal, onProgress, name = "the weight" } = options;
  const pool = options.pool ?? (await createRowPool());
  try {
    const rowsPerRange = Math.max(1, Math.floor((plan.weightsPerRange ?? WEIGHTS_PER_RANGE) / columns));
    let next = 0;
    let done = 0;
    let failed = false;
    const lane = async (): Promise<void> => {
      while (next < rows && !failed) {
        signal?.throwIfAborted();
        const start = next;
        const stop = Math.min(rows, start + rowsPerRange);
        next = stop;
        const range = {
          ...plan.settings,
          rows: stop - start,
          columns,
          weight: weight.slice(start * columns, stop * columns),
          ...sensitivityOfRows(options.sensitivity, start, stop, columns),
        };
        plan.place(await pool.quantize(plan.codec, range as RowWork[C]["range"]), start);
        done += (stop - start) * columns;
        onProgress?.({ phase: "quantizing", done, total: rows * columns, unit: "weights", detail: name });
      }
    };
    const lanes = Array.from({ length: Math.max(1, RANGES_PER_THREAD * pool.threads) }, async () => {
      try {
        await lane();
      } catch (error) {
        failed = true;
        throw error;
      }
    });
    await Promise.all(lanes);
    signal?.throwIfAborted();
  } finally {
    if (options.pool === undefined) await pool[Symbol.asyncDispose]();
  }
}

function sensitivityOfRows(
  sensitivity: Sensitivity | undefined,
  start: number,
  stop: number,
  columns: number,
): { sensitivity?: Float32Array } {
  if (sensitivity === undefined) return {};
  const { kind, values } = sensitivity;
  if (kind === "moments") return { sensitivity: diagonalOf(values, columns) };
  return { sensitivity: kind === "columns" ? values.slice() : values.slice(start * columns, stop * columns) };
}
