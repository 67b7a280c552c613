/**
 * One weight times activations, and rows of a table. One token takes the kernel of the codec, which reads planes directly;
 * more tokens take tiles of rows: made float32 once, multiplied with all tokens while they are in cache. Binary-coded
 * weights go their own way (`multiply-paired.ts`) where they can.
 */
import type { Precision } from "@stepdown/core";
import type { HeldLinear } from "./held-linear.js";
import type { KernelExports } from "./kernel-exports.js";
import type { LinearInput } from "./linear-input.js";
import { multiplyPaired } from "./multiply-paired.js";
import type { Scratch } from "./scratch.js";

/** Bytes of a tile of float32 rows: a part of a second-level cache of 256 KiB, the smallest of current machines. */
const TILE_BYTES = 128 * 1024;
/** Rows in a tile: a multiple of the four that the kernel holds in registers, few enough to share a short input. */
const LARGEST_TILE_ROWS = 32;
/** Bytes behind the labels of a row in scratch memory: a widened table of 8 bits, or two tables of 4 bits. */
const TABLE_BYTES = 1024;

/** Where kernels run. */
export interface Place {
  readonly exports: KernelExports;
  readonly scratch: Scratch;
}

/** `output[t][i] = weight[i] · input[t] (+ bias[i])`; `output` and `bias` are addresses, `bias` 0 where there is none. */
export function multiplyLinear(
  place: Place,
  weight: HeldLinear,
  precision: Precision,
  input: LinearInput,
  output: number,
  bias: number,
): void {
  if (weight.layout.kind === "paired" && multiplyPaired(place, weight, weight.layout, precision, input, output, bias))
    return;
  if (input.tokens === 1 && multiplyToken(place, weight, precision, input, output, bias)) return;
  const { exports, scratch } = place;
  const { rows, paddedColumns, layout } = weight;
  const x = input.padded(paddedColumns);
  const rowBytes = paddedColumns * 4;
  const isPlain = layout.kind === "dense" && layout.type === "f32";
  const tileRows = Math.min(LARGEST_TILE_ROWS, Math.max(4, Math.floor(TILE_BYTES / rowBytes / 4) * 4));
  const tile = isPlain ? 0 : scratch.reserve("tile", tileRows * rowBytes);
  for (let row = 0; row < rows; row += tileRows) {
    const count = Math.min(tileRows, rows - row);
    if (!isPlain) dequantizeRows(place, weight, precision, row, count, tile);
    exports.multiplyTile(
      isPlain ? layout.weights + row * rowBytes : tile,
      count,
      paddedColumns,
      x,
      input.tokens,
      output + row * 4,
      rows * 4,
      bias === 0 ? 0 : bias + row * 4,
    );
  }
}

/** One token straight from the stored form; false where the codec has no such kernel or the numbers do not suit it. */
function multiplyToken(
  { exports, scratch }: Place,
  weight: HeldLinear,
  precision: Precision,
  input: LinearInput,
  output: number,
  bias: number,
): boolean {
  const { rows, paddedColumns: columns, layout } = weight;
  if (layout.kind === "dense") {
    const x = input.padded(columns);
    if (layout.type === "f32") exports.dotDense32(layout.weights, rows, columns, x, output, bias);
    else exports.dotDense16(layout.weights, rows, columns, x, output, bias, layout.type === "bf16");
    return true;
  }
  if (layout.kind === "codebook") {
    const { planes, planeBytes, tables } = layout;
    const labels = scratch.reserve("labels", columns + TABLE_BYTES);
    const x = input.padded(columns);
    const table = tables.get(precision)!;
    exports.dotCodebook(
      planes,
      planeBytes,
      rows,
      columns,
      precision,
      table.start,
      table.isFinite,
      x,
      output,
      bias,
      labels,
    );
    return true;
  }
  if (layout.kind === "uniform") {
    const split = input.split(columns);
    if (split === 0) return false;
    exports.dotUniform(layout.high, layout.low, layout.scales, rows, columns, precision, split, output, bias);
    return true;
  }
  return false;
}

/** Rows `row … row + count − 1` as float32, `[count][paddedColumns]` at `target`. Not for float32 weights. */
export function dequantizeRows(
  { exports, scratch }: Place,
  weight: HeldLinear,
  precision: Precision,
  row: number,
  count: number,
  target: number,
): void {
  const { columns, paddedColumns, layout } = weight;
  const planeRow = row * (paddedColumns / 8);
  // Binary-coded rows keep two labels per weight.
  const labels = scratch.reserve("labels", 2 * paddedColumns + TABLE_BYTES);
  switch (layout.kind) {
    case "dense":
      exports.dequantizeDense(
        layout.weights + row * paddedColumns * 2,
        count,
        paddedColumns,
        layout.type === "bf16",
        target,
      );
      return;
    case "codebook": {
      const table = layout.tables.get(precision)!;
      exports.dequantizeCodebook(
        layout.planes + planeRow,
        layout.planeBytes,
        count,
        paddedColumns,
        precision,
        table.start + row * 2 * 2 ** precision,
        table.isFinite,
        target,
        labels,
      );
      return;
    }
    case "uniform": {
      const high = layout.high + planeRow * 4;
      const low = layout.low === 0 ? 0 : layout.low + planeRow * 4;
      exports.dequantizeUniform(high, low, layout.scales + row * 4, count, paddedColumns, precision, target);
      return;
    }
    case "paired": {
      const { planes, planeBytes, groupSize } = layout;
      const { codes, steps, offsets } = layout.scales.get(precision)!;
      exports.dequantizePaired(
        planes,
        planeBytes,
        row,
        count,
        paddedColumns,
        columns,
        precision,
        groupSize,
        codes,
        steps,
        offsets,
        target,
      );
      return;
    }
    case "bcq": {
      const { codes, steps, offsets } = layout.scales.get(precision)!;
      const group = row * (columns / layout.groupSize);
      exports.dequantizeBinaryCoded(
        layout.planes + planeRow,
        layout.planeBytes,
        count,
        paddedColumns,
        columns,
        precision,
        layout.groupSize,
        codes + group * precision,
        steps + row * 2,
        offsets === 0 ? 0 : offsets + group,
        target,
        labels,
      );
    }
  }
}
