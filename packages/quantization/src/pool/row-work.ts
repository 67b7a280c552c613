/**
 * What a pool can do to a range of rows, by codec, and how to do it on the present thread.
 */
import { type BinaryRowRange, type PackedBinaryRows, quantizeBinaryRows } from "../binary/quantize-binary-rows.js";
import { type PackedRows, packRows } from "../codebook/pack-rows.js";
import type { RowRange } from "../codebook/quantize-rows.js";
import { type FactoredMoments, factorMoments, type MomentsRange } from "../feedback/factor-moments.js";
import { type FeedbackCodebookRange, quantizeFeedbackCodebooks } from "../feedback/quantize-feedback-codebooks.js";
import { type FeedbackRowRange, quantizeFeedbackRows } from "../feedback/quantize-feedback-rows.js";

/** Ranges and results by codec. */
export interface RowWork {
  readonly codebook: { readonly range: RowRange; readonly rows: PackedRows };
  readonly bcq: { readonly range: BinaryRowRange; readonly rows: PackedBinaryRows };
  /** `bcq` with error feedback. */
  readonly "bcq feedback": { readonly range: FeedbackRowRange; readonly rows: PackedBinaryRows };
  /** `codebook` with error feedback. */
  readonly "codebook feedback": { readonly range: FeedbackCodebookRange; readonly rows: PackedRows };
  /** Not rows: what feedback needs of a layer's moments, once for all its ranges. */
  readonly moments: { readonly range: MomentsRange; readonly rows: FactoredMoments };
}

/** Codecs that work on rows. */
export type RowCodec = keyof RowWork;

/** Any codec's range, with the codec's name. */
export type RowTask = { [C in RowCodec]: { readonly codec: C; readonly range: RowWork[C]["range"] } }[RowCodec];

/** Quantizes a range on this thread. */
export function quantizeTask(task: RowTask): RowWork[RowCodec]["rows"] {
  switch (task.codec) {
    case "codebook":
      return packRows(task.range);
    case "bcq":
      return quantizeBinaryRows(task.range);
    case "codebook feedback":
      return quantizeFeedbackCodebooks(task.range);
    case "bcq feedback":
      return quantizeFeedbackRows(task.range);
    case "moments":
      return factorMoments(task.range);
    default:
      return task satisfies never;
  }
}

/** Memory of a task that is handed over with it; what ranges share is not. */
export function inputBuffersOf({ range }: RowTask): ArrayBuffer[] {
  if ("columns" in range && !("weight" in range)) return [range.moments.buffer as ArrayBuffer];
  const { weight } = range;
  const sensitivity = "sensitivity" in range ? range.sensitivity : undefined;
  return (sensitivity === undefined ? [weight] : [weight, sensitivity]).map(({ buffer }) => buffer as ArrayBuffer);
}

/** Memory of a result, for handing it to another thread. */
export function buffersOf(rows: RowWork[RowCodec]["rows"]): ArrayBuffer[] {
  if ("factor" in rows) {
    // Shared memory is in both threads as it is.
    const buffers = [rows.matrix, rows.factor, rows.quads].map(({ buffer }) => buffer);
    return buffers.filter((buffer): buffer is ArrayBuffer => buffer instanceof ArrayBuffer);
  }
  const scales =
    "tables" in rows
      ? rows.tables
      : rows.scales.flatMap(({ codes, steps, offsets }) => [codes, steps, ...(offsets === undefined ? [] : [offsets])]);
  return [...rows.planes, ...scales].map(({ buffer }) => buffer as ArrayBuffer);
}
