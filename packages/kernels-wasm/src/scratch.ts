import type { LinearMemory } from "./linear-memory.js";

/** What scratch memory is for; each purpose has its own range, so that two may be in use at once. */
export type ScratchPurpose =
  | "activations"
  | "split"
  | "tile"
  | "labels"
  | "attention"
  | "packing"
  | "tables"
  | "rounded"
  | "sums";

/** Memory that calls use and forget. Ranges grow to the largest size asked for and are kept. */
export class Scratch {
  readonly #memory: LinearMemory;
  readonly #ranges = new Map<ScratchPurpose, { start: number; bytes: number }>();

  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  /** Address of at least `bytes` bytes of unspecified content, valid until the same purpose is asked for more. */
  reserve(purpose: ScratchPurpose, bytes: number): number {
    const held = this.#ranges.get(purpose);
    if (held !== undefined && held.bytes >= bytes) return held.start;
    if (held !== undefined) {
      this.#memory.release(held.start);
      this.#ranges.delete(purpose);
    }
    const start = this.#memory.allocate(bytes, `scratch memory (${purpose})`);
    this.#ranges.set(purpose, { start, bytes });
    return start;
  }
}
