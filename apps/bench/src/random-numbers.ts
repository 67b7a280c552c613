/** Random numbers that are the same everywhere for the same seed: splitmix with 32 bits of state. Not for secrets. */
export interface RandomNumbers {
  /** Next 32 random bits, as an unsigned number. */
  word(): number;
  /** Next number in [0, 1). */
  uniform(): number;
}

/** Starts a stream of random numbers. */
export function createRandomNumbers(seed: number): RandomNumbers {
  let state = seed >>> 0;
  const word = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return { word, uniform: () => word() / 2 ** 32 };
}

/** A seed for one part of something, from the seed of the whole and the part's name (FNV-1a). */
export function seedOf(seed: number, name: string): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
