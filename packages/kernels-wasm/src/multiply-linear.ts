/**
 * One weight times activations, and rows of a table. One token takes the kernel of the codec, which reads planes directly;
 * more tokens take tiles of rows: made float32 once, multiplied with all tokens while they are in cache.
 */
import type { Precision } from "@stepdown/core";
import type { HeldLinear } from "./held-linear.js";
import type { KernelExports } from "./kernel-exports.js";
import { type LinearMemory, roundUp } from "./linear-memory.js";
import type { Scratch } from "./scratch.js";

/** Bytes of a tile of float32 rows: a part of a second-level cache of 256 KiB, the smallest of current machines. */
const TILE_BYTES = 128 * 1024;
/** Rows in a tile: a multiple of the four that the kernel holds in registers, few enough to share a short input. */
const LARGEST_TILE_ROWS = 32;
/** Bytes behind the labels of a row in scratch memory: a widened table of 8 bits, or two tables of 4 bits. */
const TABLE_BYTES = 1024;

/**
 * Most blocks of four columns that share a step of the activation tables. Longer parts cost less and round outliers'
 * neighbours more coarsely; 144 columns make four parts of 576.
 */
const LARGEST_PART_BLOCKS = 36;

/** See `WasmKernelOptions.binaryCodedArithmetic`. */
export type BinaryCodedArithmetic = "tables" | "float32";

/** How tables over activations are divided: blocks of four columns per group of the weight and per part of a group. */
export interface TablePartition {
  readonly groupBlocks: number;
  readonly partBlocks: number;
}

/** Parts of a group as equal as whole blocks allow. */
export function partition(groupSize: number): TablePartition {
  const groupBlocks = Math.ceil(groupSize / 4);
  return { groupBlocks, partBlocks: Math.ceil(groupBlocks / Math.ceil(groupBlocks / LARGEST_PART_BLOCKS)) };
}

/** Bytes of the sums of a run of 32 rows. */
const SUM_BYTES = 128;

/** Activations of one call, `[tokens][columns]`; padded and split copies are made when a weight first asks for them. */
export class LinearInput {
  readonly columns: number;
  readonly tokens: number;
  readonly #address: number;
  readonly #memory: LinearMemory;
  readonly #scratch: Scratch;
  readonly #exports: KernelExports;
  /** Whether tables are wanted at all. */
  readonly #hasTables: boolean;
  #paddedTo = 0;
  #padded = 0;
  #split: number | undefined;
  #tables: { readonly groupBlocks: number; readonly factors: number; readonly tables: number } | undefined;

  constructor(
    place: { exports: KernelExports; memory: LinearMemory; scratch: Scratch },
    address: number,
    columns: number,
    tokens: number,
    arithmetic: BinaryCodedArithmetic,
  ) {
    this.#hasTables = arithmetic === "tables";
    this.#exports = place.exports;
    this.#memory = place.memory;
    this.#scratch = place.scratch;
    this.#address = address;
    this.columns = columns;
    this.tokens = tokens;
  }

  /** Address of `[tokens][paddedColumns]`, zeros behind the real columns. */
  padded(paddedColumns: number): number {
    if (paddedColumns === this.columns) return this.#address;
    if (paddedColumns === this.#paddedTo) return this.#padded;
    this.#padded = this.#scratch.reserve("activations", this.tokens * paddedColumns * 4);
    this.#paddedTo = paddedColumns;
    const { floats } = this.#memory;
    const from = this.#address / 4;
    const to = this.#padded / 4;
    for (let t = 0; t < this.tokens; t++) {
      const target = to + t * paddedColumns;
      floats.copyWithin(target, from + t * this.columns, from + (t + 1) * this.columns);
      floats.fill(0, target + this.columns, target + paddedColumns);
    }
    return this.#padded;
  }

  /** Address of one token's split activations (`../assembly/uniform.ts`), or 0 where they cannot be split. */
  split(paddedColumns: number): number {
    if (this.#split === undefined) {
      const target = this.#scratch.reserve("split", 64 + paddedColumns * 4);
      this.#split = this.#exports.splitActivations(this.padded(paddedColumns), paddedColumns, target) ? target : 0;
    }
    return this.#split;
  }

  /**
   * Tables over one token's activations (`../assembly/paired-tables.ts`), shared by all weights of the call that have the
   * same groups; addresses are 0 where they are not wanted or the numbers do not suit them.
   */
  tables(paddedColumns: number, { groupBlocks, partBlocks }: TablePartition): { factors: number; tables: number } {
    if (!this.#hasTables) return { factors: 0, tables: 0 };
    if (this.#tables?.groupBlocks === groupBlocks) return this.#tables;
    const blocks = Math.ceil(this.columns / 4);
    // At most one factor pair per block; tables begin at a cache line.
    const factorBytes = roundUp(blocks * 8, 64);
    const factors = this.#scratch.reserve("tables", factorBytes + blocks * 16);
    const tables = factors + factorBytes;
    const x = this.padded(paddedColumns);
    const isDone = this.#exports.buildTables(x, blocks, groupBlocks, partBlocks, factors, tables) !== 0;
    this.#tables = { groupBlocks, ...(isDone ? { factors, tables } : { factors: 0, tables: 0 }) };
    return this.#tables;
  }
}

/** Where kernels run. */
interface Place {
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
  if (layout.kind === "paired") {
    const { planes, planeBytes, groupSize, scales } = layout;
    const { groupBlocks, partBlocks } = partition(groupSize);
    const { factors, tables } = input.tables(columns, { groupBlocks, partBlocks });
    if (tables === 0) return false;
    const { codes, steps, offsets } = scales.get(precision)!;
    const sums = scratch.reserve("sums", SUM_BYTES);
    exports.dotPaired(
      planes,
      planeBytes,
      rows,
      Math.ceil(weight.columns / 4),
      groupBlocks,
      partBlocks,
      precision,
      codes,
      steps,
      offsets,
      factors,
      tables,
      output,
      bias,
      sums,
    );
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
