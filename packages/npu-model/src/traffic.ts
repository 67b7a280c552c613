/** Bytes moved off chip, by what they are. */
export interface Traffic {
  /** Bit planes or float weights, head included. */
  readonly weights: number;
  /** Tables and scales of the codec. */
  readonly tables: number;
  /** Biases, norm weights, embedding rows. */
  readonly vectors: number;
  /** Keys and values read. */
  readonly cacheReads: number;
  /** Keys and values written. */
  readonly cacheWrites: number;
  /** Activations that did not fit on chip, read and written. */
  readonly activations: number;
}

/** Nothing moved. */
export const NO_TRAFFIC: Traffic = {
  weights: 0,
  tables: 0,
  vectors: 0,
  cacheReads: 0,
  cacheWrites: 0,
  activations: 0,
};

/** The sum, with the second part taken `times` (default 1). */
export function addTraffic(first: Traffic, second: Traffic, times = 1): Traffic {
  return {
    weights: first.weights + times * second.weights,
    tables: first.tables + times * second.tables,
    vectors: first.vectors + times * second.vectors,
    cacheReads: first.cacheReads + times * second.cacheReads,
    cacheWrites: first.cacheWrites + times * second.cacheWrites,
    activations: first.activations + times * second.activations,
  };
}

/** Bytes of the cache, which may have its own bandwidth efficiency. */
export function cacheBytes(traffic: Traffic): number {
  return traffic.cacheReads + traffic.cacheWrites;
}

/** All bytes. */
export function totalBytes(traffic: Traffic): number {
  return traffic.weights + traffic.tables + traffic.vectors + cacheBytes(traffic) + traffic.activations;
}
