/** A stream of random numbers that is the same everywhere: mulberry32 with the seed as its state. */
export interface Random {
  /** Next number in [0, 1). */
  uniform(): number;
  /** Next number in [−1, 1). */
  signed(): number;
  /** Next whole number in [0, bound). */
  below(bound: number): number;
}

/** Random numbers from a 32-bit seed. Enough for test data, not for statistics or secrets. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    uniform,
    signed: () => 2 * uniform() - 1,
    below: (bound) => Math.floor(uniform() * bound),
  };
}
