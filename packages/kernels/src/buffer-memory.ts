/**
 * Ownership of float buffers: which exist, which are windows on others, which were freed. A buffer is an empty token
 * with a length; its numbers are found only through the memory that made it.
 */
import { type FloatBuffer, InvalidArgumentError, OutOfMemoryError } from "@stepdown/core";

/** Memory behind one allocation; `numbers` is absent once freed. */
interface Allocation {
  numbers: Float32Array | undefined;
}

interface Window {
  readonly allocation: Allocation;
  readonly offset: number;
  readonly isView: boolean;
}

/** All buffers of one kernel set. */
export class BufferMemory {
  readonly #windows = new WeakMap<FloatBuffer, Window>();
  readonly #allocations = new Set<Allocation>();

  allocate(length: number): FloatBuffer {
    if (!Number.isSafeInteger(length) || length < 1)
      throw new InvalidArgumentError(`A buffer needs a positive whole number of numbers, got ${length}.`);
    let numbers: Float32Array;
    try {
      numbers = new Float32Array(length);
    } catch (cause) {
      throw new OutOfMemoryError(`A buffer of ${length} float32 numbers cannot be had. Use fewer tokens per call.`, {
        cause,
      });
    }
    const allocation = { numbers };
    this.#allocations.add(allocation);
    return this.#window(length, { allocation, offset: 0, isView: false });
  }

  view(buffer: FloatBuffer, offset: number, length: number): FloatBuffer {
    this.numbers(buffer, 0, "view");
    if (!isWithin(offset, length, buffer.length) || length < 1)
      throw new InvalidArgumentError(
        `A view of ${length} numbers from ${offset} does not fit in a buffer of ${buffer.length} numbers.`,
      );
    const parent = this.#windows.get(buffer)!;
    return this.#window(length, { allocation: parent.allocation, offset: parent.offset + offset, isView: true });
  }

  free(buffer: FloatBuffer): void {
    this.numbers(buffer, 0, "free");
    const { allocation, isView } = this.#windows.get(buffer)!;
    if (isView) throw new InvalidArgumentError("A view cannot be freed; free the buffer it is a window on.");
    allocation.numbers = undefined;
    this.#allocations.delete(allocation);
  }

  /** Drops everything. */
  clear(): void {
    for (const allocation of this.#allocations) allocation.numbers = undefined;
    this.#allocations.clear();
  }

  /** The numbers of a buffer of this set that is alive and holds at least `atLeast`; otherwise throws. */
  numbers(buffer: FloatBuffer, atLeast: number, what: string): Float32Array {
    const window = this.#windows.get(buffer);
    if (window === undefined)
      throw new InvalidArgumentError(`${what}: this is no buffer of this kernel set. Use one made by its allocate.`);
    if (window.allocation.numbers === undefined)
      throw new InvalidArgumentError(`${what}: the buffer was freed. Allocate a new one.`);
    if (buffer.length < atLeast)
      throw new InvalidArgumentError(`${what}: ${atLeast} numbers are needed, the buffer holds ${buffer.length}.`);
    return window.allocation.numbers.subarray(window.offset, window.offset + buffer.length);
  }

  #window(length: number, window: Window): FloatBuffer {
    const buffer = Object.freeze({ length });
    this.#windows.set(buffer, window);
    return buffer;
  }
}

/** Whether `length` numbers from `offset` on lie inside `available` numbers; both must be whole and not negative. */
export function isWithin(offset: number, length: number, available: number): boolean {
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= available
  );
}

/** Whether the first numbers of two arrays share memory. */
export function overlap(one: Float32Array, oneLength: number, other: Float32Array, otherLength: number): boolean {
  if (one.buffer !== other.buffer) return false;
  const oneEnd = one.byteOffset + oneLength * 4;
  const otherEnd = other.byteOffset + otherLength * 4;
  return one.byteOffset < otherEnd && other.byteOffset < oneEnd;
}
