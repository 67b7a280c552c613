import type {
  FloatBuffer,
  KernelSet,
  KeyValueCache,
  KeyValueCacheShape,
  LinearWeight,
  PreparedLinear,
} from "@stepdown/core";
import { expectThat } from "../checks/expectations.js";

/** What a check works on. */
export interface KernelSets {
  /** The set under test. */
  readonly candidate: KernelSet;
  /** The set that defines the right results. */
  readonly reference: KernelSet;
  /** Another set of the same making as the candidate, for questions of ownership and determinism. */
  createAnother(): Promise<KernelSet>;
  /** Factor on all tolerances. */
  readonly toleranceFactor: number;
}

/** A contract test of a kernel set. */
export interface KernelCheck {
  readonly name: string;
  /** Key under which an implementation may skip it, giving its reason. */
  readonly feature?: KernelSetFeature;
  check(sets: KernelSets): Promise<void>;
}

/** Parts of the contract that an implementation may leave out if it says why. */
export type KernelSetFeature = "odd-columns" | "small-groups" | "table-groups" | "outliers" | "memory-reuse";

/** Makes things in one kernel set and frees them all at the end. */
export class Scratch {
  readonly #buffers: FloatBuffer[] = [];
  readonly #weights: PreparedLinear[] = [];
  readonly #caches: KeyValueCache[] = [];

  constructor(readonly kernels: KernelSet) {}

  /** A buffer holding some numbers. */
  buffer(values: ArrayLike<number>): FloatBuffer {
    const made = this.empty(values.length);
    this.kernels.write(made, Float32Array.from(values));
    return made;
  }

  /** A buffer of zeros. */
  empty(length: number): FloatBuffer {
    const made = this.kernels.allocate(length);
    this.#buffers.push(made);
    return made;
  }

  async weight(weight: LinearWeight): Promise<PreparedLinear> {
    const made = await this.kernels.prepareLinear(weight);
    this.#weights.push(made);
    return made;
  }

  cache(shape: KeyValueCacheShape): KeyValueCache {
    const made = this.kernels.createKeyValueCache(shape);
    this.#caches.push(made);
    return made;
  }

  free(): void {
    for (const buffer of this.#buffers) this.kernels.free(buffer);
    for (const weight of this.#weights) this.kernels.freeLinear(weight);
    for (const cache of this.#caches) this.kernels.freeKeyValueCache(cache);
  }
}

/** Runs the same work on a set and frees what it made. */
export async function withScratch<T>(kernels: KernelSet, work: (scratch: Scratch) => Promise<T>): Promise<T> {
  const scratch = new Scratch(kernels);
  const result = await work(scratch);
  scratch.free();
  return result;
}

/** Results of the same work on the candidate and on the reference. */
export async function onBoth<T>(
  { candidate, reference }: KernelSets,
  work: (scratch: Scratch) => Promise<T>,
): Promise<{ actual: T; expected: T }> {
  const expected = await withScratch(reference, work);
  return { actual: await withScratch(candidate, work), expected };
}

/** Throws when a number is further from the expected one than allowed, naming the first. */
export function expectNear(
  actual: Float32Array,
  expected: Float32Array,
  allowed: (index: number) => number,
  what: string,
): void {
  expectThat(actual.length === expected.length, `${what}: ${actual.length} numbers instead of ${expected.length}.`);
  expected.forEach((value, index) => {
    const difference = Math.abs(actual[index]! - value);
    if (difference <= allowed(index) || Object.is(actual[index], value)) return;
    throw new Error(
      `${what}: number ${index} is ${actual[index]}, the reference has ${value}; ` +
        `they differ by ${difference}, ${allowed(index)} is allowed.`,
    );
  });
}
