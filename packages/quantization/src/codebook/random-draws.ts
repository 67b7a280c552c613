/**
 * Uniform random numbers of the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded by one integer and read as
 * 53-bit doubles in [0, 1), the way NumPy's `RandomState(seed).random_sample()` does.
 *
 * Only the first numbers of a stream are ever needed here: every row starts it anew, so one short array serves all rows.
 */
const N = 624;
const M = 397;

/** The first `count` numbers of the stream of `seed` (an integer from 0 to 2³²−1). */
export function randomDraws(seed: number, count: number): Float64Array {
  const state = new Uint32Array(N);
  state[0] = seed;
  for (let i = 1; i < N; i++) {
    const previous = state[i - 1]! ^ (state[i - 1]! >>> 30);
    state[i] = Math.imul(1812433253, previous) + i;
  }
  let index = N;
  const nextWord = (): number => {
    if (index === N) {
      regenerate(state);
      index = 0;
    }
    let y = state[index++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  };
  const draws = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const high = nextWord() >>> 5;
    const low = nextWord() >>> 6;
    draws[i] = (high * 2 ** 26 + low) / 2 ** 53;
  }
  return draws;
}

function regenerate(state: Uint32Array): void {
  for (let i = 0; i < N; i++) {
    const y = (state[i]! & 0x80000000) | (state[(i + 1) % N]! & 0x7fffffff);
    state[i] = state[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}
