/** The contract's calls as records for the threads: arguments are checked here, addresses put in, parts counted. */
import {
  type FloatBuffer,
  type GradientAttention,
  type GradientAttentionBackward,
  type GradientCrossEntropy,
  type GradientKernels,
  type GradientMatrix,
  type GradientNorm,
  type GradientNormBackward,
  type GradientProduct,
  type GradientRotation,
  InvalidArgumentError,
} from "@stepdown/core";
import { isWithin, requireWhole } from "../checks.js";
import { FloatBuffers } from "../float-buffers.js";
import type { LinearMemory } from "../linear-memory.js";
import type { JobTeam } from "./job-team.js";
import {
  ATTENTION_ROWS,
  BLOCK_DEPTH,
  MODES,
  OPERATIONS,
  PACKED_ROWS,
  PART_COLUMNS,
  realWord,
  SPARE_BYTES,
} from "./records.js";

/** Deeper products are added up piece by piece, so that the packed left side stays small; a multiple of BLOCK_DEPTH. */
const MAXIMUM_DEPTH = 4096;
/** Numbers that one part of a call by rows goes through, about. */
const PART_NUMBERS = 16_384;

/** Gradient kernels in WebAssembly. */
export class WasmGradientKernels implements GradientKernels {
  readonly specificationVersion = "v1";
  readonly name = "wasm-simd";
  readonly arithmetic = "float32, multiply and add rounded separately, blocks of 256, 1";
  readonly #memory: LinearMemory;
  readonly #team: JobTeam;
  readonly #buffers: FloatBuffers;
  #packed = { address: 0, bytes: 0 };

  constructor(memory: LinearMemory, team: JobTeam) {
    this.#memory = memory;
    this.#team = team;
    this.#buffers = new FloatBuffers(memory);
  }

  get threads(): number {
    return this.#team.threads;
  }

  allocate(length: number): FloatBuffer {
    return this.#buffers.allocate(length);
  }

  free(buffer: FloatBuffer): void {
    this.#buffers.free(buffer);
  }

  write(target: FloatBuffer, values: Float32Array, offset = 0): void {
    requireInside(target, offset, values.length, "write");
    this.#memory.floats.set(values, this.#buffers.address(target, 1, "write") / 4 + offset);
  }

  read(source: FloatBuffer, offset = 0, length: number = source.length - offset): Float32Array {
    requireInside(source, offset, length, "read");
    const start = this.#buffers.address(source, 1, "read") / 4 + offset;
    return this.#memory.floats.slice(start, start + length);
  }

  multiply(call: GradientProduct): void {
    const { left, right, output, rows, columns, depth, mode = "store", scale } = call;
    for (const [value, what] of [
      [rows, "rows"],
      [columns, "columns"],
      [depth, "depth"],
    ] as const)
      requireWhole(value, 1, `multiply: ${what}`);
    if (output.columnStride !== 1) throw new InvalidArgumentError("multiply: the output's column stride must be 1.");
    if (!Object.hasOwn(MODES, mode)) throw new InvalidArgumentError(`multiply: there is no mode ${String(mode)}.`);
    const a = this.#matrix(left, rows, depth, "multiply: left");
    const b = this.#matrix(right, depth, columns, "multiply: right");
    const c = this.#matrix(output, rows, columns, "multiply: output");
    const factors = scale === undefined ? 0 : this.#buffers.address(scale, depth, "multiply: scale");
    const whole = mode === "add-square";
    const step = whole ? depth : Math.min(depth, MAXIMUM_DEPTH);
    const blockDepth = whole ? depth : BLOCK_DEPTH;
    const packed = this.#providePacked(Math.ceil(rows / 4) * 16 * step);
    for (let from = 0; from < depth; from += step) {
      const record = Int32Array.of(
        ...[OPERATIONS.pack, a + from * left.columnStride * 4, left.rowStride * 4, left.columnStride * 4],
        ...[b + from * right.rowStride * 4, right.columnStride * 4, right.rowStride * 4, c, output.rowStride * 4],
        ...[rows, columns, Math.min(step, depth - from), blockDepth, from > 0 ? MODES.add : MODES[mode]],
        ...[call.upper ? 1 : 0, factors === 0 ? 0 : factors + from * 4, PACKED_ROWS, packed],
      );
      this.#team.run(record, Math.ceil(rows / PACKED_ROWS), 0);
      record[0] = OPERATIONS.multiply;
      const scratch = SPARE_BYTES + PART_COLUMNS * Math.min(blockDepth, depth) * 4;
      this.#team.run(record, Math.ceil(columns / PART_COLUMNS), scratch);
    }
  }

  attend(call: GradientAttention): void {
    const { tokens, heads, headDimension } = call;
    const output = this.#buffers.address(call.output, tokens * heads * headDimension, "attend: output");
    this.#attention(OPERATIONS.attend, call, [output], 1);
  }

  attendBackward(call: GradientAttentionBackward): void {
    const { tokens, heads, keyValueHeads, headDimension: d } = call;
    const what = "attendBackward";
    const size = tokens * heads * d;
    const addresses = [call.outputGradient, call.queryGradient].map((b) => this.#buffers.address(b, size, what));
    const targets = [call.keyGradient, call.valueGradient].map((buffer) =>
      this.#buffers.address(buffer, tokens * keyValueHeads * d, what),
    );
    if (heads === keyValueHeads) {
      this.#attention(OPERATIONS.attendBackward, call, [...addresses, ...targets], 2);
      return;
    }
    const perHead = targets.map(() => this.#memory.allocate(size * 4, "gradients per head"));
    try {
      this.#attention(OPERATIONS.attendBackward, call, [...addresses, ...perHead], 2);
      targets.forEach((target, i) => {
        const words = [perHead[i]!, target, keyValueHeads, heads, d];
        this.#rows(OPERATIONS.sumHeads, tokens, heads * d, words);
      });
    } finally {
      for (const address of perHead) this.#memory.release(address);
    }
  }

  normalize(call: GradientNorm): void {
    const { kind, input, output, weight, bias, epsilon, rows, columns } = call;
    const size = rows * columns;
    this.#rows(OPERATIONS.normalize, rows, columns, [
      this.#buffers.address(input, size, "normalize: input"),
      this.#buffers.address(weight, columns, "normalize: weight"),
      bias === undefined ? 0 : this.#buffers.address(bias, columns, "normalize: bias"),
      this.#buffers.address(output, size, "normalize: output"),
      kind === "layer" ? 1 : 0,
      realWord(epsilon),
    ]);
  }

  normalizeBackward(call: GradientNormBackward): void {
    const { kind, input, weight, epsilon, outputGradient, inputGradient, adds, rows, columns } = call;
    const size = rows * columns;
    this.#rows(OPERATIONS.normalizeBackward, rows, columns, [
      this.#buffers.address(input, size, "normalizeBackward: input"),
      this.#buffers.address(weight, columns, "normalizeBackward: weight"),
      this.#buffers.address(outputGradient, size, "normalizeBackward: outputGradient"),
      this.#buffers.address(inputGradient, size, "normalizeBackward: inputGradient"),
      kind === "layer" ? 1 : 0,
      realWord(epsilon),
      adds ? 1 : 0,
    ]);
  }

  rotate(call: GradientRotation): void {
    const { target, cosines, sines, tokens, heads, headDimension, rotaryDimension, inverse } = call;
    const half = rotaryDimension / 2;
    requireWhole(half, 1, "rotate: half of rotaryDimension");
    if (rotaryDimension > headDimension)
      throw new InvalidArgumentError(`rotate: ${rotaryDimension} of ${headDimension} elements cannot turn.`);
    this.#rows(OPERATIONS.rotate, tokens, heads * headDimension, [
      this.#buffers.address(target, tokens * heads * headDimension, "rotate: target"),
      this.#buffers.address(cosines, tokens * half, "rotate: cosines"),
      this.#buffers.address(sines, tokens * half, "rotate: sines"),
      ...[heads, headDimension, half, realWord(inverse ? -1 : 1)],
    ]);
  }

  gate(gate: FloatBuffer, up: FloatBuffer, output: FloatBuffer, length: number): void {
    const addresses = [gate, up, output].map((buffer) => this.#buffers.address(buffer, length, "gate"));
    this.#numbers(OPERATIONS.gate, length, addresses);
  }

  gateBackward(gate: FloatBuffer, up: FloatBuffer, gradient: FloatBuffer, length: number): void {
    const addresses = [gate, up, gradient].map((buffer) => this.#buffers.address(buffer, length, "gateBackward"));
    this.#numbers(OPERATIONS.gateBackward, length, addresses);
  }

  crossEntropy({ logits, targets, rows, columns, factor }: GradientCrossEntropy): Float32Array {
    const address = this.#buffers.address(logits, rows * columns, "crossEntropy: logits");
    if (targets.length !== rows || targets.some((target) => target >= columns))
      throw new InvalidArgumentError(`crossEntropy: ${rows} targets below ${columns} are needed.`);
    const shared = this.#memory.allocate(rows * 8, "targets and losses");
    try {
      new Int32Array(this.#memory.memory.buffer, shared, rows).set(targets);
      this.#rows(OPERATIONS.crossEntropy, rows, columns, [address, shared, shared + rows * 4, realWord(factor)]);
      return this.#memory.floats.slice(shared / 4 + rows, shared / 4 + 2 * rows);
    } finally {
      this.#memory.release(shared);
    }
  }

  add(target: FloatBuffer, source: FloatBuffer, length: number): void {
    const addresses = [target, source].map((buffer) => this.#buffers.address(buffer, length, "add"));
    this.#numbers(OPERATIONS.add, length, addresses);
  }

  addBias(target: FloatBuffer, bias: FloatBuffer, rows: number, columns: number): void {
    this.#rows(OPERATIONS.addBias, rows, columns, [
      this.#buffers.address(target, rows * columns, "addBias: target"),
      this.#buffers.address(bias, columns, "addBias: bias"),
    ]);
  }

  meanSquares(input: FloatBuffer, output: FloatBuffer, rows: number, columns: number, factor: number): void {
    this.#rows(OPERATIONS.meanSquares, rows, columns, [
      this.#buffers.address(input, rows * columns, "meanSquares: input"),
      this.#buffers.address(output, rows, "meanSquares: output"),
      realWord(factor),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#team[Symbol.asyncDispose]();
    this.#buffers.clear();
    this.#memory.close();
  }

  #attention(
    operation: number,
    call: GradientAttentionBackward | GradientAttention,
    outputs: number[],
    scores: number,
  ) {
    const { tokens, heads, keyValueHeads, headDimension: d, window = tokens, scale } = call;
    for (const [value, what] of [
      [tokens, "tokens"],
      [heads, "heads"],
      [d, "headDimension"],
      [window, "window"],
    ] as const)
      requireWhole(value, 1, `attend: ${what}`);
    requireWhole(heads / keyValueHeads, 1, "attend: heads per key-value head");
    const shared = tokens * keyValueHeads * d;
    const addresses = [
      this.#buffers.address(call.queries, tokens * heads * d, "attend: queries"),
      this.#buffers.address(call.keys, shared, "attend: keys"),
      this.#buffers.address(call.values, shared, "attend: values"),
      ...outputs,
    ];
    const depth = Math.max(tokens, d, ATTENTION_ROWS);
    const packed = Math.max(ATTENTION_ROWS * depth, (tokens + 3) * ATTENTION_ROWS);
    const scratch = SPARE_BYTES + (scores * ATTENTION_ROWS * tokens + 8 * depth + packed) * 4;
    const record = new Int32Array(15);
    record.set([operation, ...addresses]);
    record.set([tokens, d, heads, keyValueHeads, Math.min(window, tokens), realWord(scale)], 9);
    this.#team.run(record, heads, scratch);
  }

  /** A call that goes row by row; every part takes some rows. */
  #rows(operation: number, rows: number, columns: number, words: readonly number[]): void {
    requireWhole(rows, 1, "rows or tokens");
    requireWhole(columns, 1, "columns");
    const share = Math.max(1, Math.ceil(PART_NUMBERS / columns), Math.ceil(rows / 0xffff));
    this.#team.run(Int32Array.of(operation, rows, columns, share, ...words), Math.ceil(rows / share), 0);
  }

  /** A call that goes number by number: rows of one number. Parts begin at multiples of a vector. */
  #numbers(operation: number, length: number, addresses: readonly number[]): void {
    requireWhole(length, 1, "length");
    this.#rows(operation, length, 1, addresses);
  }

  #matrix(
    { buffer, rowStride, columnStride, offset = 0 }: GradientMatrix,
    rows: number,
    columns: number,
    what: string,
  ) {
    for (const stride of [rowStride, columnStride]) requireWhole(stride, 1, `${what}: stride`);
    requireWhole(offset, 0, `${what}: offset`);
    const last = offset + (rows - 1) * rowStride + (columns - 1) * columnStride;
    return this.#buffers.address(buffer, last + 1, what) + offset * 4;
  }

  #providePacked(bytes: number): number {
    if (bytes > this.#packed.bytes) {
      if (this.#packed.bytes > 0) this.#memory.release(this.#packed.address);
      this.#packed = { address: 0, bytes: 0 };
      this.#packed = { address: this.#memory.allocate(bytes, "a packed matrix"), bytes };
    }
    return this.#packed.address;
  }
}

function requireInside({ length: available }: FloatBuffer, offset: number, length: number, what: string): void {
  if (!isWithin(offset, length, available))
    throw new InvalidArgumentError(`${what}: ${length} numbers from ${offset} on are not inside ${available}.`);
}
