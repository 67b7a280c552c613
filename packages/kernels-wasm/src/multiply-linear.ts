/**
 * One weight times activations, and rows of a table. One token takes the kernel of the codec, which reads planes directly;
 * more tokens take tiles of rows: made float32 once, multiplied with all tokens while they are in cache. Binary-coded
 * weights go their own way (`multiply-paired.ts`) where they can.
 */
import type { Precision } from "@stepdown/core";
import { type HeldLinear, paddedPartsOf, type WeightLayout } from "./held-linear.js";
import type { KernelExports } from "./kernel-exports.js";
import type { LinearInput } from "./linear-input.js";
import type { LinearMemory } from "./linear-memory.js";
import { PlannedProducts, planPaired } from "./multiply-paired.js";
import type { Scratch } from "./scratch.js";
import { addOutliers, replaceOutliers } from "./sparse-outliers.js";
import { splitRows } from "./threads/split-rows.js";
import type { ThreadTeam } from "./threads/thread-team.js";

/** Bytes of a tile of float32 rows: a part of a second-level cache of 256 KiB, the smallest of current machines. */
const TILE_BYTES = 128 * 1024;
/** Rows in a tile: a multiple of the four that the kernel holds in registers, few enough to share a short input. */
const LARGEST_TILE_ROWS = 32;
/** Bytes behind the labels of a row in scratch memory: a widened table of 8 bits, or two tables of 4 bits. */
const TABLE_BYTES = 1024;

/** Where kernels run. */
export interface Place {
  readonly exports: KernelExports;
  readonly memory: LinearMemory;
  readonly scratch: Scratch;
  readonly team: ThreadTeam;
}

/** One weight with addresses of its output and bias, the latter 0 where there is none. */
export interface LinearJob {
  readonly weight: HeldLinear;
  readonly output: number;
  readonly bias: number;
}

/** `output[t][i] = weight[i] · input[t] (+ bias[i])` for weights that share an input. */
export function multiplyLinear(
  place: Place,
  jobs: readonly LinearJob[],
  precision: Precision,
  input: LinearInput,
): void {
  // Weights with the same groups are one product for the threads. They have to be computed before the input takes a form
  // for other groups, which replaces the present one.
  const planned = new PlannedProducts(place);
  for (const { weight, output, bias } of jobs) {
    const { layout } = weight;
    if (layout.kind === "paired") {
      planned.prepareFor(layout.groupSize);
      const product = planPaired(place, weight, layout, precision, input, output, bias);
      if (product !== undefined) {
        planned.add(product);
        continue;
      }
    }
    multiplyAlone(place, weight, precision, input, output, bias);
  }
  planned.run();
}

function multiplyAlone(
  place: Place,
  weight: HeldLinear,
  precision: Precision,
  input: LinearInput,
  output: number,
  bias: number,
): void {
  if (weight.layout.kind === "bytes" && multiplyBytes(place, weight, weight.layout, precision, input, output, bias))
    return;
  if (input.tokens === 1 && multiplyToken(place, weight, precision, input, output, bias)) return;
  const { scratch, team } = place;
  const { rows, paddedColumns, layout } = weight;
  const x = input.padded(paddedColumns, paddedPartsOf(layout));
  const rowBytes = paddedColumns * 4;
  const isPlain = layout.kind === "dense" && layout.type === "f32";
  const tileRows = Math.min(LARGEST_TILE_ROWS, Math.max(4, Math.floor(TILE_BYTES / rowBytes / 4) * 4));
  const tile = isPlain ? 0 : scratch.reserve("tile", tileRows * rowBytes);
  // Every thread takes some tokens of a tile; an even number, because the kernel takes them in pairs.
  const parts = splitRows(input.tokens, tileRows * paddedColumns * input.tokens, team.threads, 2);
  for (let row = 0; row < rows; row += tileRows) {
    const count = Math.min(tileRows, rows - row);
    if (!isPlain) dequantizeRows(place, weight, precision, row, count, tile);
    const weights = isPlain ? layout.weights + row * rowBytes : tile;
    const addend = bias === 0 ? 0 : bias + row * 4;
    const calls = parts.map((part) => [
      ...[weights, count, paddedColumns, x + part.first * rowBytes, part.count],
      ...[output + (part.first * rows + row) * 4, rows * 4, addend],
    ]);
    team.run("multiplyTile", calls);
  }
}

/** Uniform weights as bytes times any number of tokens; false where the activations cannot be split. */
function multiplyBytes(
  { team }: Place,
  weight: HeldLinear,
  { weights, scales }: Extract<WeightLayout, { readonly kind: "uniform" | "bytes" }>,
  precision: Precision,
  input: LinearInput,
  output: number,
  bias: number,
): boolean {
  const { rows, paddedColumns: columns } = weight;
  const { tokens } = input;
  const split = input.split(columns);
  if (split === undefined) return false;
  const isFine = input.arithmetic === "float32" ? 1 : 0;
  const calls = splitRows(rows, rows * columns * tokens, team.parts).map(({ first, count }) => [
    ...[weights + first * columns, scales + first * 4, count, columns, precision, isFine],
    ...[split.numbers, split.numberBytes, tokens, output + first * 4, rows * 4, bias === 0 ? 0 : bias + first * 4],
  ]);
  team.run("dotBytes", calls);
  return true;
}

/** One token straight from the stored form; false where the codec has no such kernel or the numbers do not suit it. */
function multiplyToken(
  { scratch, team, memory }: Place,
  weight: HeldLinear,
  precision: Precision,
  input: LinearInput,
  output: number,
  bias: number,
): boolean {
  const { rows, paddedColumns: columns, layout } = weight;
  const parts = splitRows(rows, rows * columns, team.parts);
  const outputOf = (first: number) => output + first * 4;
  const biasOf = (first: number) => (bias === 0 ? 0 : bias + first * 4);
  if (layout.kind === "dense") {
    const { weights, type } = layout;
    const x = input.padded(columns);
    const rowBytes = columns * (type === "f32" ? 4 : 2);
    const calls = parts.map(({ first, count }) => {
      const call = [weights + first * rowBytes, count, columns, x, outputOf(first), biasOf(first)];
      return type === "f32" ? call : [...call, type === "bf16" ? 1 : 0];
    });
    team.run(type === "f32" ? "dotDense32" : "dotDense16", calls);
    return true;
  }
  if (layout.kind === "codebook") {
    const { planes, planeBytes, groupCount, tables, outliers } = layout;
    // Differences from what is infinite mean nothing; in a tile such weights are replaced.
    if (outliers !== undefined && !tables.get(precision)!.isFinite) return false;
    const labelBytes = columns + TABLE_BYTES;
    const labels = scratch.reserve("labels", parts.length * labelBytes);
    const x = input.padded(columns, groupCount);
    const table = tables.get(precision)!;
    const calls = parts.map(({ first, count }, index) => [
      ...[planes + first * (columns / 8), planeBytes, count, groupCount, columns / groupCount, precision],
      ...[table.start + first * groupCount * 2 * 2 ** precision, table.isFinite ? 1 : 0],
      ...[x, outputOf(first), biasOf(first), labels + index * labelBytes],
    ]);
    team.run("dotCodebook", calls);
    if (outliers !== undefined) addOutliers(outliers, precision, memory.floats, x / 4, output / 4);
    return true;
  }
  if (layout.kind === "uniform") {
    const { weights, scales } = layout;
    const split = input.split(columns);
    if (split === undefined) return false;
    const calls = parts.map(({ first, count }) => [
      ...[weights + first * (columns / 2), scales + first * 4, count, columns, precision],
      ...[split.numbers, outputOf(first), biasOf(first)],
    ]);
    team.run("dotUniform", calls);
    return true;
  }
  return false;
}

/** Rows `row … row + count − 1` as float32, `[count][paddedColumns]` at `target`. Not for float32 weights. */
export function dequantizeRows(
  { exports, scratch, memory }: Place,
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
      const { groupCount } = layout;
      const table = layout.tables.get(precision)!;
      exports.dequantizeCodebook(
        layout.planes + planeRow,
        layout.planeBytes,
        count * groupCount,
        paddedColumns / groupCount,
        precision,
        table.start + row * groupCount * 2 * 2 ** precision,
        table.isFinite,
        target,
        labels,
      );
      if (layout.outliers !== undefined)
        replaceOutliers(layout.outliers, row, count, memory.floats, target / 4, paddedColumns);
      return;
    }
    case "uniform":
    case "bytes": {
      const run = layout.kind === "uniform" ? exports.dequantizeUniform : exports.dequantizeBytes;
      const skipped = planeRow * (layout.kind === "uniform" ? 4 : 8);
      run(layout.weights + skipped, layout.scales + row * 4, count, paddedColumns, precision, target);
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
