/**
 * From stored weights to the layouts of the kernels: planes bit-transposed in blocks of 128 columns, uniform codes as
 * nibbles or bytes, dense rows padded. Every weight is held once, whatever precisions it will be read at.
 */
import type { BinaryCodedWeight, LinearWeight, NestedWeight, Precision, WaitOptions } from "@stepdown/core";
import { checkLinearWeight } from "./check-linear-weight.js";
import { HeldLinear, type WeightLayout } from "./held-linear.js";
import type { KernelExports } from "./kernel-exports.js";
import { type LinearMemory, roundUp } from "./linear-memory.js";
import type { Scratch } from "./scratch.js";
import { halfToNumber, holdOutliers } from "./sparse-outliers.js";

/** Columns of nested weights are padded to this: half a block of the plane layout. */
const NESTED_COLUMNS = 64;
/** Columns of dense weights are padded to this: what the inner loops take at a time, twice. */
const DENSE_COLUMNS = 16;
/** Rows whose planes are unpacked at once while nibbles are made: bounds the scratch memory. */
const PACKING_ROWS = 256;

/** Rows of a run of the paired layout. */
const RUN_ROWS = 32;

/** Where to put weights. */
export interface PreparationPlace {
  readonly exports: KernelExports;
  readonly memory: LinearMemory;
  readonly scratch: Scratch;
  /** The kernel set that will own the weight. */
  readonly owner: object;
}

/** Checks a weight, copies it into linear memory and returns its handle; gives everything back when it fails. */
export async function prepareLinear(
  place: PreparationPlace,
  weight: LinearWeight,
  options: WaitOptions,
): Promise<HeldLinear> {
  options.signal?.throwIfAborted();
  checkLinearWeight(weight);
  const preparation = new Preparation(place, weight, options);
  try {
    return preparation.run();
  } catch (error) {
    preparation.giveBack();
    throw error;
  }
}

class Preparation {
  readonly #place: PreparationPlace;
  readonly #weight: LinearWeight;
  readonly #options: WaitOptions;
  /** Groups that are padded one by one. */
  readonly #groupCount: number;
  readonly #paddedColumns: number;
  readonly #ranges: number[] = [];
  #bytes = 0;

  constructor(place: PreparationPlace, weight: LinearWeight, options: WaitOptions) {
    this.#place = place;
    this.#weight = weight;
    this.#options = options;
    const unit = weight.codec === "dense" ? DENSE_COLUMNS : NESTED_COLUMNS;
    this.#groupCount = weight.codec === "codebook" ? (weight.groupCount ?? 1) : 1;
    this.#paddedColumns = this.#groupCount * roundUp(weight.columns / this.#groupCount, unit);
  }

  run(): HeldLinear {
    const { rows, columns, codec } = this.#weight;
    const layout = this.#layOut();
    const total = this.#bytes;
    this.#options.onProgress?.({ phase: "preparing weights", done: total, total, unit: "bytes" });
    return new HeldLinear({
      rows,
      columns,
      codec,
      precisions: Object.freeze(availablePrecisions(this.#weight)),
      bytes: total,
      paddedColumns: this.#paddedColumns,
      layout,
      owner: this.#place.owner,
      ranges: this.#ranges,
    });
  }

  giveBack(): void {
    for (const start of this.#ranges) this.#place.memory.release(start);
  }

  #layOut(): WeightLayout {
    const weight = this.#weight;
    if (weight.codec === "dense") return this.#layOutDense(weight.type, weight.data);
    if (weight.codec === "uniform") return { ...this.#packUniform(weight), scales: this.#copy(weight.scales) };
    if (weight.codec === "bcq" && isPairable(weight)) return this.#layOutPaired(weight);
    const planes = this.#transposePlanes(weight);
    if (weight.codec === "codebook") {
      const tables = new Map<Precision, { start: number; isFinite: boolean }>();
      for (let p = weight.seedBits; p <= weight.bits; p++) tables.set(p, this.#copyTable(weight.tables.get(p)!));
      const outliers = holdOutliers(weight, this.#paddedColumns);
      this.#bytes += outliers?.bytes ?? 0;
      return { kind: "codebook", ...planes, groupCount: this.#groupCount, tables, outliers };
    }
    const scales = new Map<Precision, { codes: number; steps: number; offsets: number }>();
    for (let p = weight.seedBits; p <= weight.bits; p++) {
      const { codes, steps, offsets } = weight.scales.get(p)!;
      scales.set(p, {
        codes: this.#copy(codes),
        steps: this.#copy(steps),
        offsets: offsets === undefined ? 0 : this.#copy(offsets),
      });
    }
    return { kind: "bcq", ...planes, groupSize: weight.groupSize, scales };
  }

  #layOutDense(type: "f32" | "f16" | "bf16", data: Float32Array | Uint16Array): WeightLayout {
    const { rows, columns } = this.#weight;
    const { exports, memory } = this.#place;
    const rowBytes = this.#paddedColumns * data.BYTES_PER_ELEMENT;
    const weights = this.#allocate(rows * rowBytes);
    copyRows(memory.bytes, weights, rowBytes, asBytes(data), columns * data.BYTES_PER_ELEMENT, rows);
    if (type !== "f16" || !exports.hasNonFiniteHalf(weights, rows * this.#paddedColumns))
      return { kind: "dense", weights, type };
    // The fast widening of halves knows finite ones only; such a weight is kept as float32.
    const widened = new Float32Array(data.length);
    for (let i = 0; i < data.length; i++) widened[i] = halfToNumber(data[i]!);
    return this.#layOutDense("f32", widened);
  }

  /** The layout of `../assembly/paired-dot.ts`. */
  #layOutPaired(weight: BinaryCodedWeight): WeightLayout {
    const { exports, memory, scratch } = this.#place;
    const { rows, columns, bits, groupSize } = weight;
    const blocks = Math.ceil(columns / 4);
    const rowBytes = Math.ceil(columns / 8);
    const paddedRows = roundUp(rows, RUN_ROWS);
    const planeBytes = (paddedRows / RUN_ROWS) * blocks * 16;
    const planes = this.#allocate(planeBytes * bits);
    const packing = scratch.reserve("packing", PACKING_ROWS * rowBytes);
    weight.planes.forEach((plane, index) => {
      this.#options.signal?.throwIfAborted();
      for (let row = 0; row < rows; row += PACKING_ROWS) {
        const count = Math.min(PACKING_ROWS, rows - row);
        const padded = roundUp(count, RUN_ROWS);
        memory.bytes.set(plane.subarray(row * rowBytes, (row + count) * rowBytes), packing);
        memory.bytes.fill(0, packing + count * rowBytes, packing + padded * rowBytes);
        const target = planes + index * planeBytes + (row / RUN_ROWS) * blocks * 16;
        exports.packPaired(packing, rowBytes, padded, blocks, target);
      }
    });
    const groups = columns / groupSize;
    const scales = new Map<Precision, { codes: number; steps: number; offsets: number }>();
    for (let p = weight.seedBits; p <= weight.bits; p++) {
      const { codes, steps, offsets } = weight.scales.get(p)!;
      const packedCodes = this.#allocate(paddedRows * groups * 2 * Math.ceil(p / 2));
      const source = scratch.reserve("packing", codes.length);
      memory.bytes.set(asBytes(codes), source);
      exports.packPairedCodes(source, rows, groups, p, packedCodes);
      const packedSteps = this.#allocate(paddedRows * 2);
      memory.bytes.fill(0, packedSteps, packedSteps + paddedRows * 2);
      memory.bytes.set(asBytes(steps), packedSteps);
      scales.set(p, {
        codes: packedCodes,
        steps: packedSteps,
        offsets: offsets === undefined ? 0 : this.#transposeOffsets(offsets, groups),
      });
    }
    return { kind: "paired", planes, planeBytes, groupSize, scales };
  }

  /** Offsets `[rows][groups]` to `[run][group][32]`. */
  #transposeOffsets(offsets: Int8Array, groups: number): number {
    const { rows } = this.#weight;
    const bytes = roundUp(rows, RUN_ROWS) * groups;
    const start = this.#allocate(bytes);
    const target = this.#place.memory.bytes.subarray(start, start + bytes);
    target.fill(0);
    for (let row = 0; row < rows; row++) {
      const run = (row - (row % RUN_ROWS)) * groups + (row % RUN_ROWS);
      for (let group = 0; group < groups; group++) target[run + group * RUN_ROWS] = offsets[row * groups + group]!;
    }
    return start;
  }

  #transposePlanes(weight: NestedWeight): { planes: number; planeBytes: number } {
    const { exports, memory } = this.#place;
    const rows = weight.rows * this.#groupCount;
    const columns = this.#paddedColumns / this.#groupCount;
    const rowBytes = columns / 8;
    const planeBytes = rows * rowBytes;
    const planes = this.#allocate(planeBytes * weight.bits);
    weight.planes.forEach((plane, index) => {
      this.#options.signal?.throwIfAborted();
      const start = planes + index * planeBytes;
      copyRows(memory.bytes, start, rowBytes, plane, Math.ceil(weight.columns / this.#groupCount / 8), rows);
      exports.transposePlane(start, rows, columns);
    });
    return { planes, planeBytes };
  }

  #packUniform(weight: NestedWeight): { kind: "uniform" | "bytes"; weights: number } {
    const { exports, memory, scratch } = this.#place;
    const { rows, bits } = weight;
    const rowBytes = this.#paddedColumns / 8;
    const sourceBytes = Math.ceil(weight.columns / 8);
    const isNibbles = bits <= 4;
    const heldBytes = rowBytes * (isNibbles ? 4 : 8);
    const weights = this.#allocate(rows * heldBytes);
    const packing = scratch.reserve("packing", PACKING_ROWS * rowBytes * bits);
    const labels = scratch.reserve("labels", this.#paddedColumns);
    for (let row = 0; row < rows; row += PACKING_ROWS) {
      this.#options.signal?.throwIfAborted();
      const count = Math.min(PACKING_ROWS, rows - row);
      weight.planes.forEach((plane, index) => {
        const part = plane.subarray(row * sourceBytes, (row + count) * sourceBytes);
        copyRows(memory.bytes, packing + index * count * rowBytes, rowBytes, part, sourceBytes, count);
      });
      exports.transposePlane(packing, count * bits, this.#paddedColumns);
      const pack = isNibbles ? exports.packNibbles : exports.packBytes;
      pack(packing, count * rowBytes, count, this.#paddedColumns, bits, weights + row * heldBytes, labels);
    }
    return { kind: isNibbles ? "uniform" : "bytes", weights };
  }

  #copyTable(table: Uint16Array): { start: number; isFinite: boolean } {
    const { exports, memory } = this.#place;
    // The check takes eight halves at a time.
    const length = roundUp(table.length, 8);
    const start = this.#allocate(length * 2);
    memory.bytes.fill(0, start, start + length * 2);
    memory.bytes.set(asBytes(table), start);
    return { start, isFinite: !exports.hasNonFiniteHalf(start, length) };
  }

  #copy(array: Float32Array | Uint16Array | Int8Array): number {
    const start = this.#allocate(array.byteLength);
    this.#place.memory.bytes.set(asBytes(array), start);
    return start;
  }

  #allocate(bytes: number): number {
    const { rows, columns, codec } = this.#weight;
    const start = this.#place.memory.allocate(bytes, `a ${codec} weight of ${rows} × ${columns}`);
    this.#ranges.push(start);
    this.#bytes += bytes;
    return start;
  }
}

/** Whether every group begins at a block of four columns, as the paired layout demands. */
function isPairable({ groupSize, columns }: BinaryCodedWeight): boolean {
  return groupSize % 4 === 0 || groupSize === columns;
}

/** The uniform code can be read at every number of planes; the others have tables from their seed precision on. */
function availablePrecisions(weight: LinearWeight): Precision[] {
  if (weight.codec === "dense") return [];
  const first = weight.codec === "uniform" ? 1 : weight.seedBits;
  return Array.from({ length: weight.bits - first + 1 }, (_, index) => first + index);
}

function asBytes(array: Float32Array | Uint16Array | Int8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Copies rows to a longer stride, zeros between. */
function copyRows(
  memory: Uint8Array,
  start: number,
  rowBytes: number,
  source: Uint8Array,
  sourceRowBytes: number,
  rows: number,
): void {
  if (rowBytes === sourceRowBytes) {
    memory.set(source, start);
    return;
  }
  memory.fill(0, start, start + rows * rowBytes);
  for (let row = 0; row < rows; row++)
    memory.set(source.subarray(row * sourceRowBytes, (row + 1) * sourceRowBytes), start + row * rowBytes);
}
