/**
 * The input of one call and the forms of it that kernels want: padded, split, as tables, as whole numbers. Each is made
 * when a weight first asks for it and serves all weights of the call.
 */
import type { KernelExports } from "./kernel-exports.js";
import type { LinearMemory } from "./linear-memory.js";
import type { Scratch } from "./scratch.js";

/**
 * Most blocks of four columns that share a step when activations become whole numbers. Longer parts cost less and round
 * the neighbours of outliers more coarsely; 144 columns make four parts of 576. No more than `../assembly` allows.
 */
const LARGEST_PART_BLOCKS = 36;

/** How activations are divided: blocks of four columns per group of the weight and per part of a group. */
export interface Partition {
  readonly groupBlocks: number;
  readonly partBlocks: number;
}

/** Parts of a group as equal as whole blocks allow. */
export function partition(groupSize: number): Partition {
  const groupBlocks = Math.ceil(groupSize / 4);
  return { groupBlocks, partBlocks: Math.ceil(groupBlocks / Math.ceil(groupBlocks / LARGEST_PART_BLOCKS)) };
}

/** See `WasmKernelOptions.binaryCodedArithmetic`. */
export type BinaryCodedArithmetic = "integer" | "float32";

/** Activations as whole numbers, with a step per part; addresses, and bytes from token to token. */
export interface WholeActivations {
  readonly groupBlocks: number;
  readonly factors: number;
  readonly factorBytes: number;
  /** Tables or rounded activations; 0 where there are none. */
  readonly numbers: number;
  readonly numberBytes: number;
}

/** Activations of one call, `[tokens][columns]`; padded and split copies are made when a weight first asks for them. */
export class LinearInput {
  readonly columns: number;
  readonly tokens: number;
  readonly #address: number;
  readonly #memory: LinearMemory;
  readonly #scratch: Scratch;
  readonly #exports: KernelExports;
  readonly arithmetic: BinaryCodedArithmetic;
  #paddedTo = 0;
  #paddedGroups = 1;
  #padded = 0;
  #split: { readonly numbers: number; readonly numberBytes: number } | undefined;
  #tables: WholeActivations | undefined;
  #rounded: WholeActivations | undefined;

  constructor(
    place: { exports: KernelExports; memory: LinearMemory; scratch: Scratch },
    address: number,
    columns: number,
    tokens: number,
    arithmetic: BinaryCodedArithmetic,
  ) {
    this.arithmetic = arithmetic;
    this.#exports = place.exports;
    this.#memory = place.memory;
    this.#scratch = place.scratch;
    this.#address = address;
    this.columns = columns;
    this.tokens = tokens;
  }

  /** Address of `[tokens][paddedColumns]`, zeros behind the real columns of each of `groups` equal parts of a token. */
  padded(paddedColumns: number, groups = 1): number {
    if (paddedColumns === this.columns) return this.#address;
    if (paddedColumns === this.#paddedTo && groups === this.#paddedGroups) return this.#padded;
    this.#padded = this.#scratch.reserve("activations", this.tokens * paddedColumns * 4);
    this.#paddedTo = paddedColumns;
    this.#paddedGroups = groups;
    const { floats } = this.#memory;
    const from = this.#address / 4;
    const to = this.#padded / 4;
    const columns = this.columns / groups;
    const padded = paddedColumns / groups;
    for (let part = 0; part < this.tokens * groups; part++) {
      const target = to + part * padded;
      floats.copyWithin(target, from + part * columns, from + (part + 1) * columns);
      floats.fill(0, target + columns, target + padded);
    }
    return this.#padded;
  }

  /** Activations in two 16-bit parts (`../assembly/uniform.ts`); undefined where they cannot be split. */
  split(paddedColumns: number): { readonly numbers: number; readonly numberBytes: number } | undefined {
    this.#split ??= this.#splitTokens(paddedColumns);
    return this.#split.numbers === 0 ? undefined : this.#split;
  }

  #splitTokens(paddedColumns: number): { numbers: number; numberBytes: number } {
    const numberBytes = 64 + paddedColumns * 4;
    const numbers = this.#scratch.reserve("split", this.tokens * numberBytes);
    const x = this.padded(paddedColumns);
    for (let t = 0; t < this.tokens; t++) {
      const from = x + t * paddedColumns * 4;
      if (this.#exports.splitActivations(from, paddedColumns, numbers + t * numberBytes) === 0)
        return { numbers: 0, numberBytes };
    }
    return { numbers, numberBytes };
  }

  /**
   * Tables over the activations (`../assembly/paired-tables.ts`), shared by all weights of the call that have the same
   * groups; undefined where they are not wanted or the numbers do not suit them.
   */
  tables(paddedColumns: number, groupSize: number): WholeActivations | undefined {
    this.#tables = this.#convert(this.#tables, "tables", 16, paddedColumns, groupSize);
    return this.#tables.numbers === 0 ? undefined : this.#tables;
  }

  /** The same for activations rounded to whole numbers (`../assembly/paired-multiply.ts`). */
  rounded(paddedColumns: number, groupSize: number): WholeActivations | undefined {
    this.#rounded = this.#convert(this.#rounded, "rounded", 8, paddedColumns, groupSize);
    return this.#rounded.numbers === 0 ? undefined : this.#rounded;
  }

  #convert(
    held: WholeActivations | undefined,
    kind: "tables" | "rounded",
    blockBytes: number,
    paddedColumns: number,
    groupSize: number,
  ): WholeActivations {
    const { groupBlocks, partBlocks } = partition(groupSize);
    if (held?.groupBlocks === groupBlocks) return held;
    const nothing = { groupBlocks, factors: 0, numbers: 0, factorBytes: 0, numberBytes: 0 };
    if (this.arithmetic === "float32") return nothing;
    const blocks = Math.ceil(this.columns / 4);
    const groups = Math.ceil(blocks / groupBlocks);
    const factorBytes = groups * Math.ceil(groupBlocks / partBlocks) * 8;
    const numberBytes = blocks * blockBytes;
    const numbers = this.#scratch.reserve(kind, this.tokens * (numberBytes + factorBytes));
    const factors = numbers + this.tokens * numberBytes;
    const run = kind === "tables" ? this.#exports.buildTables : this.#exports.roundActivations;
    const x = this.padded(paddedColumns);
    for (let t = 0; t < this.tokens; t++) {
      const [from, to, factor] = [x + t * paddedColumns * 4, numbers + t * numberBytes, factors + t * factorBytes];
      if (run(from, blocks, groupBlocks, partBlocks, factor, to) === 0) return nothing;
    }
    return { groupBlocks, factors, numbers, factorBytes, numberBytes };
  }
}
