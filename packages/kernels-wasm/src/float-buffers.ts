/** Float buffers of one kernel set: which exist, which are windows on others, which were freed. */
import { type FloatBuffer, InvalidArgumentError } from "@stepdown/core";
import { isWithin } from "./checks.js";
import type { LinearMemory } from "./linear-memory.js";

/** Memory behind a buffer and its views. */
interface Allocation {
  readonly start: number;
  alive: boolean;
}

class WasmBuffer implements FloatBuffer {
  readonly length: number;
  readonly owner: FloatBuffers;
  readonly allocation: Allocation;
  /** Address in bytes. */
  readonly address: number;
  readonly isView: boolean;

  constructor(owner: FloatBuffers, allocation: Allocation, address: number, length: number, isView: boolean) {
    this.owner = owner;
    this.allocation = allocation;
    this.address = address;
    this.length = length;
    this.isView = isView;
  }
}

/** Makes, checks and frees the buffers of one kernel set. */
export class FloatBuffers {
  readonly #memory: LinearMemory;
  #allocations = new Set<Allocation>();

  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  allocate(length: number): FloatBuffer {
    if (!Number.isSafeInteger(length) || length < 1)
      throw new InvalidArgumentError(`A buffer needs a positive whole number of numbers, got ${String(length)}.`);
    const start = this.#memory.allocate(length * 4, `a buffer of ${length} numbers`);
    this.#memory.floats.fill(0, start / 4, start / 4 + length);
    const allocation = { start, alive: true };
    this.#allocations.add(allocation);
    return new WasmBuffer(this, allocation, start, length, false);
  }

  view(buffer: FloatBuffer, offset: number, length: number): FloatBuffer {
    const parent = this.#require(buffer, "view");
    if (!isWithin(offset, length, parent.length) || length < 1)
      throw new InvalidArgumentError(
        `view: ${String(length)} numbers from ${String(offset)} on are not inside a buffer of ${parent.length}.`,
      );
    return new WasmBuffer(this, parent.allocation, parent.address + offset * 4, length, true);
  }

  free(buffer: FloatBuffer): void {
    const { allocation, isView, length } = this.#require(buffer, "free");
    if (isView)
      throw new InvalidArgumentError(`free: this buffer of ${length} numbers is a view. Free the buffer it looks at.`);
    allocation.alive = false;
    this.#allocations.delete(allocation);
    this.#memory.release(allocation.start);
  }

  /** Declares all buffers dead; the memory itself goes with the kernel set. */
  clear(): void {
    for (const allocation of this.#allocations) allocation.alive = false;
    this.#allocations = new Set();
  }

  /** Address of a buffer of this set that is alive and holds at least `atLeast` numbers; otherwise throws. */
  address(buffer: FloatBuffer, atLeast: number, what: string): number {
    const { address, length } = this.#require(buffer, what);
    if (length < atLeast)
      throw new InvalidArgumentError(
        `${what}: ${atLeast} numbers are needed, the buffer holds ${length}. Allocate a longer one.`,
      );
    return address;
  }

  #require(buffer: FloatBuffer, what: string): WasmBuffer {
    if (!(buffer instanceof WasmBuffer) || buffer.owner !== this)
      throw new InvalidArgumentError(`${what}: this is no buffer of this kernel set. Use one made by its allocate.`);
    if (!buffer.allocation.alive) throw new InvalidArgumentError(`${what}: the buffer was freed. Allocate a new one.`);
    return buffer;
  }
}
