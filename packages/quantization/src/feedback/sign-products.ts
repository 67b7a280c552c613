/**
 * DᵀH: for every group and plane the sum of the group's rows of H, signed by the plane's bits. Four rows at a time, from
 * tables of all their signed sums (as T-MAC does with activations, arXiv 2407.00088): a quarter of the additions.
 */
import type { FeedbackRow } from "./feedback-row.js";

/** Rows that one table sums up. */
const QUAD = 4;

/** Tables that are added up at once. */
const BATCH = 8;

const f = Math.fround;

/** Signed sums of a quad with + for its first row; the others are the negatives of these. */
const SUMS = 8;

function quadsPerGroup(groupSize: number): number {
  return Math.ceil(groupSize / QUAD);
}

/** Numbers in the tables of a layer. */
export function quadSums(columns: number, groupSize: number): number {
  return (columns / groupSize) * quadsPerGroup(groupSize) * SUMS * columns;
}

/**
 * `[groups][quads][8][columns]`: entry v is row 0 of the quad ± rows 1 … 3 of H, + where bit j − 1 of v is set. The last
 * quad of a group may have fewer rows.
 */
export function fillQuads(quads: Float32Array, matrix: Float32Array, columns: number, groupSize: number): void {
  const perGroup = quadsPerGroup(groupSize);
  let at = 0;
  for (let from = 0; from < columns; from += groupSize) {
    for (let quad = 0; quad < perGroup; quad++) {
      const row = from + quad * QUAD;
      const rows = Math.min(QUAD, from + groupSize - row);
      for (let v = 0; v < SUMS; v++, at += columns) {
        const s1 = rows > 1 ? 2 * (v & 1) - 1 : 0;
        const s2 = rows > 2 ? (v & 2) - 1 : 0;
        const s3 = rows > 3 ? ((v & 4) >> 1) - 1 : 0;
        const r0 = row * columns;
        // Rows that are not there are read as row 0 and count 0.
        const r1 = rows > 1 ? r0 + columns : r0;
        const r2 = rows > 2 ? r0 + 2 * columns : r0;
        const r3 = rows > 3 ? r0 + 3 * columns : r0;
        for (let k = 0; k < columns; k++) {
          quads[at + k] = matrix[r0 + k]! + s1 * matrix[r1 + k]! + s2 * matrix[r2 + k]! + s3 * matrix[r3 + k]!;
        }
      }
    }
  }
}

/** Fills `signs` and `products` for the present labels. */
export function sumProducts(row: FeedbackRow): void {
  const { bits, columns, groupSize, groups, stride, labels, signs, products, moments } = row;
  const { quads } = moments;
  const perGroup = quadsPerGroup(groupSize);
  const places = new Int32Array(perGroup + BATCH);
  const factors = new Float32Array(perGroup + BATCH);
  for (let u = row.first; u <= bits; u++) {
    const own = u * columns;
    for (let k = 0; k < columns; k++) signs[own + k] = u === 0 ? 1 : 2 * ((labels[k]! >> (bits - u)) & 1) - 1;
    for (let group = 0; group < groups; group++) {
      for (let quad = 0; quad < perGroup; quad++) {
        const k = own + group * groupSize + quad * QUAD;
        const rows = Math.min(QUAD, groupSize - quad * QUAD);
        const sign = signs[k]!;
        let v = 0;
        for (let j = 1; j < rows; j++) if (signs[k + j] === sign) v |= 1 << (j - 1);
        places[quad] = ((group * perGroup + quad) * SUMS + v) * columns;
        factors[quad] = sign;
      }
      // Missing quads count 0.
      places.fill(0, perGroup);
      factors.fill(0, perGroup);
      sumQuads(quads, places, factors, perGroup, products, (group * stride + u) * columns, columns);
    }
  }
}

/**
 * `target[at + k] = Σ_i factors[i] · quads[places[i] + k]`, eight at a time. All of it rounds to float32 (`fround`), which
 * engines compute without widening.
 */
function sumQuads(
  quads: Float32Array,
  places: Int32Array,
  factors: Float32Array,
  count: number,
  target: Float32Array,
  at: number,
  columns: number,
): void {
  for (let i = 0; i < count; i += BATCH) {
    const p0 = places[i]!;
    const p1 = places[i + 1]!;
    const p2 = places[i + 2]!;
    const p3 = places[i + 3]!;
    const p4 = places[i + 4]!;
    const p5 = places[i + 5]!;
    const p6 = places[i + 6]!;
    const p7 = places[i + 7]!;
    const f0 = f(factors[i]!);
    const f1 = f(factors[i + 1]!);
    const f2 = f(factors[i + 2]!);
    const f3 = f(factors[i + 3]!);
    const f4 = f(factors[i + 4]!);
    const f5 = f(factors[i + 5]!);
    const f6 = f(factors[i + 6]!);
    const f7 = f(factors[i + 7]!);
    const keep = f(i === 0 ? 0 : 1);
    for (let k = 0; k < columns; k++) {
      const a = f(f(f0 * quads[p0 + k]!) + f(f1 * quads[p1 + k]!));
      const b = f(f(f2 * quads[p2 + k]!) + f(f3 * quads[p3 + k]!));
      const c = f(f(f4 * quads[p4 + k]!) + f(f5 * quads[p5 + k]!));
      const d = f(f(f6 * quads[p6 + k]!) + f(f7 * quads[p7 + k]!));
      target[at + k] = f(f(keep * target[at + k]!) + f(f(a + b) + f(c + d)));
    }
  }
}
