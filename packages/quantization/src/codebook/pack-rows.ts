/**
 * Clusters of a range of rows → the form in which they are stored: bit planes and half-precision tables.
 *
 * Rows of a plane are whole bytes, so the planes of a layer are the planes of its ranges one after the other.
 */
import { float32ToFloat16, packPlanes } from "@stepdown/model-format";
import { quantizeRows, type RowRange } from "./quantize-rows.js";

/** A quantized range of rows as stored. */
export interface PackedRows {
  /** Most significant bit first: `[rows][ceil(columns / 8)]` bytes. */
  readonly planes: readonly Uint8Array[];
  /** Index b − seedBits: `[rows][groupCount][2^b]` half-precision patterns. */
  readonly tables: readonly Uint16Array[];
}

/** Clusters and packs every row of a range. */
export function packRows(range: RowRange): PackedRows {
  const { labels, tables } = quantizeRows(range);
  return {
    planes: packPlanes(labels, range.rows, range.columns, range.bits),
    tables: tables.map((table) => float32ToFloat16(table)),
  };
}
