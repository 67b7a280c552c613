/**
 * Small seeded generator for sampling: xoshiro128** (Blackman and Vigna, 2018; period 2^128 − 1), its state filled from
 * the seed by a Weyl sequence through the finalizer of MurmurHash3. Not for secrets. Same seed, same numbers on every engine: only 32-bit integer operations.
 */

/** A stream of uniform random numbers. */
export interface RandomGenerator {
  /** The next number, uniform on [0, 1), a multiple of 2^−53. */
  next(): number;
}

/** A generator started from an unsigned 32-bit seed. */
export function createRandomGenerator(seed: number): RandomGenerator {
  const state = new Uint32Array(4);
  let mixed = seed >>> 0;
  for (let i = 0; i < 4; i++) {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    state[i] = z ^ (z >>> 16);
  }

  const next32 = (): number => {
    const [s0, s1, s2, s3] = state as unknown as [number, number, number, number];
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    const x2 = s2 ^ s0;
    const x3 = s3 ^ s1;
    state[0] = s0 ^ x3;
    state[1] = s1 ^ x2;
    state[2] = x2 ^ (s1 << 9);
    state[3] = rotateLeft(x3, 11);
    return result;
  };

  return {
    // 27 high bits and 26 high bits of two draws make one 53-bit fraction.
    next: () => ((next32() >>> 5) * 2 ** 26 + (next32() >>> 6)) / 2 ** 53,
  };
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
