/**
 * One linear layer → nested codebook planes and tables. The layer is cut into ranges of rows for the pool's threads; the
 * result does not depend on how.
 */
import type { CodebookWeight, LinearShape, Precision, Sensitivity, WaitOptions } from "@stepdown/core";
import type { RowSettings } from "../codebook/quantize-rows.js";
import type { SplitMethod } from "../codebook/split.js";
import { createRowPool } from "../pool/create-row-pool.js";
import type { RowPool } from "../pool/row-pool.js";
import { checkSensitivity, checkShape, checkWeights } from "./check-weights.js";
import { resolveSettings } from "./resolve-settings.js";

/** How clusters are found; see the README for what each is good for. */
export type QuantizationMode = SplitMethod;

/** Options that decide the result of the codebook codec. */
export interface CodebookOptions {
  /** Bits of the seed clusters, 2 to 4. Default: 2. */
  seedBits?: Precision;
  /** Bits of the finished labels, from `seedBits` to 8. Default: 4. */
  bits?: Precision;
  /** Default: `exact`. */
  mode?: QuantizationMode;
  /** Seed of the random numbers of `reference` and `fixed`, an integer from 0 to 2³²−1. Default: 0. */
  seed?: number;
}

/** Options of {@link quantizeLinear}. */
export interface QuantizeLinearOptions extends CodebookOptions, WaitOptions {
  /** How much an error in each weight matters. Default: all the same. Weights that are 0 never matter. */
  sensitivity?: Sensitivity;
  /** Tensor name for messages. Default: "the weight". */
  name?: string;
  /** Where to work. Default: a pool of one thread per core, for this call. */
  pool?: RowPool;
}

/** Weights per range: some 15 ms of work, so that a cancel lands soon and the threads end together. */
const WEIGHTS_PER_RANGE = 2 ** 16;

/** Ranges copied ahead for every thread, so that none waits for this one. */
const RANGES_PER_THREAD = 2;

/** Quantizes `weight`, row-major `[rows][columns]`, which stays as it is. */
export async function quantizeLinear(
  weight: Float32Array,
  shape: LinearShape,
  options: QuantizeLinearOptions = {},
): Promise<CodebookWeight> {
  const settings = resolveSettings(options);
  const name = options.name ?? "the weight";
  const { rows, columns } = shape;
  checkShape(shape, weight.length, name);
  checkWeights(weight, columns, name);
  if (options.sensitivity !== undefined) checkSensitivity(options.sensitivity, shape, name);
  const result = allocate(shape, settings);
  const pool = options.pool ?? (await createRowPool());
  try {
    const rowsPerRange = Math.max(1, Math.floor(WEIGHTS_PER_RANGE / columns));
    let next = 0;
    let done = 0;
    let failed = false;
    const lane = async (): Promise<void> => {
      while (next < rows && !failed) {
        options.signal?.throwIfAborted();
        const start = next;
        const stop = Math.min(rows, start + rowsPerRange);
        next = stop;
        const packed = await pool.quantize({
          ...settings,
          rows: stop - start,
          columns,
          weight: weight.slice(start * columns, stop * columns),
          ...sensitivityOfRows(options.sensitivity, start, stop, columns),
        });
        for (const [j, plane] of packed.planes.entries()) result.planes[j]!.set(plane, start * result.rowBytes);
        for (const [i, table] of packed.tables.entries()) {
          result.tables.get(settings.seedBits + i)!.set(table, start << (settings.seedBits + i));
        }
        done += (stop - start) * columns;
        options.onProgress?.({ phase: "quantizing", done, total: rows * columns, unit: "weights", detail: name });
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
    options.signal?.throwIfAborted();
  } finally {
    if (options.pool === undefined) await pool[Symbol.asyncDispose]();
  }
  const { seedBits, bits } = settings;
  return { codec: "codebook", rows, columns, seedBits, bits, planes: result.planes, tables: result.tables };
}

interface Allocated {
  readonly rowBytes: number;
  readonly planes: Uint8Array[];
  readonly tables: Map<Precision, Uint16Array>;
}

function allocate({ rows, columns }: LinearShape, { seedBits, bits }: RowSettings): Allocated {
  const rowBytes = Math.ceil(columns / 8);
  const tables = new Map<Precision, Uint16Array>();
  for (let b = seedBits; b <= bits; b++) tables.set(b, new Uint16Array(rows * 2 ** b));
  return { rowBytes, planes: Array.from({ length: bits }, () => new Uint8Array(rows * rowBytes)), tables };
}

function sensitivityOfRows(
  sensitivity: Sensitivity | undefined,
  start: number,
  stop: number,
  columns: number,
): { sensitivity?: Float32Array } {
  if (sensitivity === undefined) return {};
  const { kind, values } = sensitivity;
  return { sensitivity: kind === "columns" ? values.slice() : values.slice(start * columns, stop * columns) };
}
