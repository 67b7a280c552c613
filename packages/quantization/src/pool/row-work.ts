/**
 * What a pool can do to a range of rows, by codec, and how to do it on the present thread.
 */
import { type BinaryRowRange, type PackedBinaryRows, quantizeBinaryRows } from "../binary/quantize-binary-rows.js";
import { type PackedRows, packRows } from "../codebook/pack-rows.js";
import type { RowRange } from "../codebook/quantize-rows.js";

/** Ranges and results by codec. */
export interface RowWork {
  readonly codebook: { readonly range: RowRange; readonly rows: PackedRows };
  readonly bcq: { readonly range: BinaryRowRange; readonly rows: PackedBinaryRows };
}

/** Codecs that work on rows. */
export type RowCodec = keyof RowWork;

/** Any codec's range, with the codec's name. */
export type RowTask = { [C in RowCodec]: { readonly codec: C; readonly range: RowWork[C]["range"] } }[RowCodec];

/** Quantizes a range on this thread. */
export function quantizeTask(task: RowTask): RowWork[RowCodec]["rows"] {
  return task.codec === "codebook" ? packRows(task.range) : quantizeBinaryRows(task.range);
}

/** Memory of a result, for handing it to another thread. */
export function buffersOf(rows: RowWork[RowCodec]["rows"]): ArrayBuffer[] {
  const scales =
    "tables" in rows
      ? rows.tables
      : rows.scales.flatMap(({ codes, steps, offsets }) => [codes, steps, ...(offsets === undefined ? [] : [offsets])]);
  return [...rows.planes, ...scales].map(({ buffer }) => buffer as ArrayBuffer);
}
