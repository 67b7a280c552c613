/**
 * Second moments of a layer's inputs → what error feedback works with: the damped matrix H and its factor H = R Rᵀ, R upper
 * triangular. Once per layer; all rows share the result.
 *
 * `|(w − q) R|²` is the loss `(w − q) H (w − q)ᵀ`, and its component j depends on columns up to j only, so columns can be
 * chosen from left to right, each making up for the errors of those before. That is GPTQ (arXiv 2210.17323), which writes
 * the same steps with the upper factor U = R⁻¹ of the inverse; nothing has to be inverted here.
 */

import { fillQuads, quadSums } from "./sign-products.js";

/**
 * Added to the diagonal, relative to its mean. GPTQ adds 1 %; moments of some ten thousand tokens, few of which weigh much,
 * are better trusted less: on other text a tenth has 10 to 15 % less loss at 4 bits, and the same at 2 and 3.
 */
const DAMPING = 0.1;

/** Rounding can leave a matrix of few samples slightly indefinite; every attempt damps ten times as much. */
const MAXIMUM_ATTEMPTS = 5;

/** Moments ready for use; shared memory where there is any, so that threads need no copies. */
export interface FactoredMoments {
  readonly columns: number;
  /** `[columns][columns]`, H: symmetric, its mean diagonal about 1. */
  readonly matrix: Float32Array;
  /** `[columns][columns]`, R: upper triangular, zeros below. */
  readonly factor: Float32Array;
  /** Signed sums of four rows of H, see `sign-products.ts`; twice the size of H, or nothing where nobody needs them. */
  readonly quads: Float32Array;
}

/** The moments of a layer, for a pool. */
export interface MomentsRange {
  readonly columns: number;
  /** Columns of a group of signs. Absent: no tables of signed sums are needed. */
  readonly groupSize?: number;
  /** `[columns][columns]`, finite, about symmetric, diagonal not negative. */
  readonly moments: Float32Array;
}

/** Symmetrizes, normalizes, damps and factors moments. Inputs that never occur count alone. */
export function factorMoments({ moments, columns, groupSize }: MomentsRange): FactoredMoments {
  let mean = 0;
  for (let k = 0; k < columns; k++) mean += moments[k * columns + k]! / columns;
  const matrix = allocateShared(columns * columns);
  const scale = mean > 0 ? 0.5 / mean : 0;
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < i; j++) {
      const entry = scale * (moments[i * columns + j]! + moments[j * columns + i]!);
      matrix[i * columns + j] = entry;
      matrix[j * columns + i] = entry;
    }
    const own = 2 * scale * moments[i * columns + i]!;
    matrix[i * columns + i] = own > 0 ? own : 1;
  }
  const work = new Float64Array(columns * columns);
  for (let attempt = 1, damping = DAMPING; ; attempt++, damping *= 10) {
    for (let k = 0; k < columns; k++) matrix[k * columns + k]! += damping;
    work.set(matrix);
    // The last attempt is diagonal: it cannot fail.
    if (attempt > MAXIMUM_ATTEMPTS) keepDiagonal(matrix, work, columns);
    if (factorUpper(work, columns)) break;
  }
  const factor = allocateShared(columns * columns);
  factor.set(work);
  const quads = allocateShared(groupSize === undefined ? 0 : quadSums(columns, groupSize));
  if (groupSize !== undefined) fillQuads(quads, matrix, columns, groupSize);
  return { columns, matrix, factor, quads };
}

/**
 * In place: the upper triangle of a symmetric matrix becomes R with R Rᵀ = it, what is below becomes 0. Returns whether the
 * matrix was positive definite.
 */
function factorUpper(a: Float64Array, n: number): boolean {
  for (let j = n - 1; j >= 0; j--) {
    const own = j * n;
    const pivot = a[own + j]! - dot(a, own + j + 1, own + j + 1, n - j - 1);
    if (!(pivot > 0)) return false;
    const root = Math.sqrt(pivot);
    a[own + j] = root;
    a.fill(0, own, own + j);
    let i = 0;
    // Four rows share the loads of row j.
    for (; i + 4 <= j; i += 4) subtractFour(a, i * n, own, j, n, root);
    for (; i < j; i++) a[i * n + j] = (a[i * n + j]! - dot(a, i * n + j + 1, own + j + 1, n - j - 1)) / root;
  }
  return true;
}

function subtractFour(a: Float64Array, first: number, own: number, j: number, n: number, root: number): void {
  const second = first + n;
  const third = second + n;
  const fourth = third + n;
  let s0 = a[first + j]!;
  let s1 = a[second + j]!;
  let s2 = a[third + j]!;
  let s3 = a[fourth + j]!;
  for (let k = j + 1; k < n; k++) {
    const x = a[own + k]!;
    s0 -= a[first + k]! * x;
    s1 -= a[second + k]! * x;
    s2 -= a[third + k]! * x;
    s3 -= a[fourth + k]! * x;
  }
  a[first + j] = s0 / root;
  a[second + j] = s1 / root;
  a[third + j] = s2 / root;
  a[fourth + j] = s3 / root;
}

function dot(a: Float64Array, x: number, y: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += a[x + k]! * a[y + k]!;
  return sum;
}

function keepDiagonal(matrix: Float32Array, work: Float64Array, n: number): void {
  for (let i = 0; i < n * n; i++) if (i % (n + 1) !== 0) matrix[i] = 0;
  work.set(matrix);
}

function allocateShared(length: number): Float32Array {
  return typeof SharedArrayBuffer === "undefined"
    ? new Float32Array(length)
    : new Float32Array(new SharedArrayBuffer(4 * length));
}

/** What an error in each column costs when those after it make up for it: the squares of R's diagonal. */
export function pricesOf({ factor, columns }: FactoredMoments): Float32Array {
  return Float32Array.from({ length: columns }, (_, k) => factor[k * (columns + 1)]! ** 2);
}
