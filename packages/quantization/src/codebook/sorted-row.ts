/**
 * One row of a weight matrix, sorted by value, with prefix sums over the sorted order.
 *
 * Every query that clustering needs (mass, mean, inertia of an interval) is then O(1). The arrays are allocated once and
 * reused for row after row; nothing here knows about clusters.
 *
 * Layout, n = columns: `values[n]`, `order[n]` (sorted position → column); `mass`, `moment`, `square` hold n+1 sums, entry
 * i over the first i sorted positions: Σa, Σaw, Σaw² with a = the weight of the clustering (spec: Any-Precision LLM §3.2).
 */
export class SortedRow {
  readonly columns: number;
  /** Sorted position → column. */
  readonly order: Uint32Array;
  /** Values in ascending order; equal values in column order. */
  readonly values: Float64Array;
  readonly mass: Float64Array;
  readonly moment: Float64Array;
  readonly square: Float64Array;
  /** 0, 1, …, n: what `mass` is when every weight counts the same. */
  readonly counts: Float64Array;
  readonly #plainMoment: Float64Array;
  #plainIsCurrent = false;
  readonly #keys: Uint32Array;
  readonly #otherKeys: Uint32Array;
  readonly #otherOrder: Uint32Array;
  readonly #histograms = new Uint32Array(4 * 256);

  constructor(columns: number) {
    this.columns = columns;
    this.order = new Uint32Array(columns);
    this.values = new Float64Array(columns);
    this.mass = new Float64Array(columns + 1);
    this.moment = new Float64Array(columns + 1);
    this.square = new Float64Array(columns + 1);
    this.counts = Float64Array.from({ length: columns + 1 }, (_, index) => index);
    this.#plainMoment = new Float64Array(columns + 1);
    this.#keys = new Uint32Array(columns);
    this.#otherKeys = new Uint32Array(columns);
    this.#otherOrder = new Uint32Array(columns);
  }

  /**
   * Takes the row that starts at `weights[start]`. Weights that are 0 get mass 0 (they are pruned or moved elsewhere), all
   * others their sensitivity, or 1 without one; a row without any mass counts every weight, zeros included, as 1.
   */
  load(weights: Float32Array, start: number, sensitivity?: Float32Array, sensitivityStart = 0): void {
    this.#sort(weights, start);
    this.#plainIsCurrent = false;
    const { columns: n, order, values, mass, moment, square } = this;
    let a = 0;
    let aw = 0;
    let aww = 0;
    for (let i = 0; i < n; i++) {
      const column = order[i]!;
      const w = weights[start + column]!;
      const f = w === 0 ? 0 : sensitivity === undefined ? 1 : sensitivity[sensitivityStart + column]!;
      values[i] = w;
      a += f;
      aw += f * w;
      aww += f * w * w;
      mass[i + 1] = a;
      moment[i + 1] = aw;
      square[i + 1] = aww;
    }
    if (a === 0) this.#countEverything();
  }

  /** Σw over the first i sorted positions, whatever the masses; made on first use, for clusters without mass. */
  get plainMoment(): Float64Array {
    if (!this.#plainIsCurrent) {
      const { columns: n, values } = this;
      let sum = 0;
      for (let i = 0; i < n; i++) {
        sum += values[i]!;
        this.#plainMoment[i + 1] = sum;
      }
      this.#plainIsCurrent = true;
    }
    return this.#plainMoment;
  }

  /** Σaw / Σa over sorted positions [start, stop); the plain mean where Σa = 0. The interval is not empty. */
  mean(start: number, stop: number): number {
    const a = this.mass[stop]! - this.mass[start]!;
    if (a === 0) return (this.plainMoment[stop]! - this.plainMoment[start]!) / (stop - start);
    return (this.moment[stop]! - this.moment[start]!) / a;
  }

  /**
   * {@link mean}, kept inside the interval's values. The difference of two prefix sums loses digits where the interval's
   * mass is a tiny part of the row's; without this, a table could leave its order there.
   */
  clampedMean(start: number, stop: number): number {
    return Math.max(this.values[start]!, Math.min(this.values[stop - 1]!, this.mean(start, stop)));
  }

  #countEverything(): void {
    const { columns: n, values, mass, moment, square } = this;
    for (let i = 0; i < n; i++) {
      const w = values[i]!;
      mass[i + 1] = i + 1;
      moment[i + 1] = moment[i]! + w;
      square[i + 1] = square[i]! + w * w;
    }
  }

  /** Radix sort, 8 bits at a time and therefore stable, on the bit patterns made monotone; −0 sorts as +0. */
  #sort(weights: Float32Array, start: number): void {
    const n = this.columns;
    const bits = new Uint32Array(weights.buffer, weights.byteOffset + 4 * start, n);
    const histograms = this.#histograms.fill(0);
    let keys = this.#keys;
    let otherKeys = this.#otherKeys;
    let order = this.order;
    let otherOrder = this.#otherOrder;
    for (let i = 0; i < n; i++) {
      const pattern = bits[i]!;
      // Negative numbers: flip all bits; others: set the sign bit. Unsigned order is then the order of the values.
      const key = pattern === 0x80000000 ? 0x80000000 : (pattern ^ ((pattern >> 31) | 0x80000000)) >>> 0;
      keys[i] = key;
      order[i] = i;
      histograms[key & 255]!++;
      histograms[256 + ((key >>> 8) & 255)]!++;
      histograms[512 + ((key >>> 16) & 255)]!++;
      histograms[768 + (key >>> 24)]!++;
    }
    for (let digit = 0; digit < 4; digit++) {
      const base = 256 * digit;
      const shift = 8 * digit;
      if (histograms[base + ((keys[0]! >>> shift) & 255)] === n) continue;
      let position = 0;
      for (let value = base; value < base + 256; value++) {
        const count = histograms[value]!;
        histograms[value] = position;
        position += count;
      }
      for (let i = 0; i < n; i++) {
        const key = keys[i]!;
        const target = histograms[base + ((key >>> shift) & 255)]!++;
        otherKeys[target] = key;
        otherOrder[target] = order[i]!;
      }
      [keys, otherKeys] = [otherKeys, keys];
      [order, otherOrder] = [otherOrder, order];
    }
    if (order !== this.order) this.order.set(order);
  }
}
