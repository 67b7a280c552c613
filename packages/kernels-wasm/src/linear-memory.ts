/**
 * The linear memory of the module and who owns which part of it: a list of free ranges, first fit, neighbours joined when
 * given back, grown when nothing fits. It does not know what is stored.
 *
 * Ranges begin at multiples of 64 (a cache line) and have lengths of multiples of 64; at least 64 bytes behind the last
 * range are never given out, so that a vector load at the end of a range cannot leave the memory.
 */
import { InvalidArgumentError, OutOfMemoryError } from "@stepdown/core";

const PAGE_BYTES = 65536;
/** What a 32-bit module can address. */
const MAXIMUM_PAGES = 65536;
/** Enough for small models' activations; everything else grows. */
const INITIAL_PAGES = 16;
const ALIGNMENT = 64;
/** Memory grows by at least this much, so that many small weights do not each cost a growth. */
const GROWTH_PAGES = 64;

interface Range {
  start: number;
  bytes: number;
}

/** Allocator over one `WebAssembly.Memory`. */
export class LinearMemory {
  #memory: WebAssembly.Memory | undefined;
  readonly #maximumPages: number;
  /** Ascending by start, never adjacent. */
  #free: Range[] = [];
  readonly #used = new Map<number, number>();
  #bytes: Uint8Array;
  #floats: Float32Array;

  /** A `shared` memory can be used by workers too. */
  constructor(maximumBytes: number = MAXIMUM_PAGES * PAGE_BYTES, shared = false) {
    if (!(maximumBytes >= INITIAL_PAGES * PAGE_BYTES))
      throw new InvalidArgumentError(
        `maximumBytes must be at least ${INITIAL_PAGES * PAGE_BYTES} (1 MiB), got ${String(maximumBytes)}.`,
      );
    let pages = Math.min(MAXIMUM_PAGES, Math.floor(maximumBytes / PAGE_BYTES));
    for (;;) {
      try {
        this.#memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: pages, shared });
        break;
      } catch (cause) {
        // Some browsers reserve the maximum at once; ask for less until they can.
        if (pages <= INITIAL_PAGES)
          throw new OutOfMemoryError(
            "Not even 1 MiB of WebAssembly memory can be had. Close other pages or programs.",
            {
              cause,
            },
          );
        pages = Math.max(INITIAL_PAGES, pages >> 1);
      }
    }
    this.#maximumPages = pages;
    this.#bytes = new Uint8Array(this.memory.buffer);
    this.#floats = new Float32Array(this.memory.buffer);
  }

  /** The memory itself. Throws once closed. */
  get memory(): WebAssembly.Memory {
    if (this.#memory === undefined)
      throw new InvalidArgumentError("The WebAssembly kernel set was disposed of. Create a new one.");
    return this.#memory;
  }

  /** All memory as bytes. Fetch it again after every allocation: growth detaches older views. */
  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.memory.buffer) this.#bytes = new Uint8Array(this.memory.buffer);
    return this.#bytes;
  }

  /** All memory as float32 numbers; index = address / 4. As short-lived as {@link bytes}. */
  get floats(): Float32Array {
    if (this.#floats.buffer !== this.memory.buffer) this.#floats = new Float32Array(this.memory.buffer);
    return this.#floats;
  }

  /** Bytes that this memory can grow to. */
  get maximumBytes(): number {
    return this.#maximumPages * PAGE_BYTES;
  }

  /** Bytes given out now. */
  get usedBytes(): number {
    let sum = 0;
    for (const bytes of this.#used.values()) sum += bytes;
    return sum;
  }

  /** Opens the memory from the end of the module's static data on; nothing can be allocated before. */
  start(heapBase: number): void {
    const start = roundUp(Math.max(heapBase, ALIGNMENT), ALIGNMENT);
    this.#free = [{ start, bytes: this.memory.buffer.byteLength - ALIGNMENT - start }];
  }

  /** Address of `bytes` bytes of unspecified content. Throws `OutOfMemoryError`. */
  allocate(bytes: number, what: string): number {
    const size = roundUp(Math.max(bytes, 1), ALIGNMENT);
    let index = this.#free.findIndex((range) => range.bytes >= size);
    if (index < 0) index = this.#grow(size, what);
    const range = this.#free[index]!;
    const { start } = range;
    if (range.bytes === size) this.#free.splice(index, 1);
    else {
      range.start += size;
      range.bytes -= size;
    }
    this.#used.set(start, size);
    return start;
  }

  /** Gives back what {@link allocate} returned. */
  release(start: number): void {
    const bytes = this.#used.get(start);
    if (bytes === undefined) throw new InvalidArgumentError(`No memory was given out at address ${start}.`);
    this.#used.delete(start);
    this.#giveBack({ start, bytes });
  }

  /** Lets go of the memory; handles that still point here no longer keep it alive. */
  close(): void {
    this.#memory = undefined;
    this.#bytes = new Uint8Array(0);
    this.#floats = new Float32Array(0);
    this.#free = [];
    this.#used.clear();
  }

  /** Makes a free range of at least `size` bytes at the end and returns its index. */
  #grow(size: number, what: string): number {
    const end = this.memory.buffer.byteLength - ALIGNMENT;
    const last = this.#free.at(-1);
    const atEnd = last !== undefined && last.start + last.bytes === end ? last.bytes : 0;
    const held = this.memory.buffer.byteLength / PAGE_BYTES;
    const needed = Math.ceil((size - atEnd) / PAGE_BYTES);
    const wanted = Math.min(Math.max(needed, GROWTH_PAGES), this.#maximumPages - held);
    try {
      if (needed > wanted) throw new RangeError(`${this.#maximumPages} pages are the most this memory can have`);
      this.memory.grow(wanted);
    } catch (cause) {
      throw new OutOfMemoryError(
        `${describeBytes(size)} for ${what} cannot be had: ${describeBytes(this.usedBytes)} are in use of at most ` +
          `${describeBytes(this.#maximumPages * PAGE_BYTES)}. Load fewer bits, use a smaller cache, or free what is not needed.`,
        { cause },
      );
    }
    this.#giveBack({ start: end, bytes: wanted * PAGE_BYTES });
    return this.#free.length - 1;
  }

  #giveBack(range: Range): void {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#free[middle]!.start < range.start) low = middle + 1;
      else high = middle;
    }
    const before = this.#free[low - 1];
    const after = this.#free[low];
    const joinsAfter = after !== undefined && range.start + range.bytes === after.start;
    if (before !== undefined && before.start + before.bytes === range.start) {
      before.bytes += range.bytes;
      if (joinsAfter) {
        before.bytes += after.bytes;
        this.#free.splice(low, 1);
      }
    } else if (joinsAfter) {
      after.start = range.start;
      after.bytes += range.bytes;
    } else this.#free.splice(low, 0, range);
  }
}

/** Smallest multiple of `step` that is at least `value`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function describeBytes(bytes: number): string {
  return bytes < 1 << 20 ? `${bytes} bytes` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
