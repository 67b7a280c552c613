/**
 * Outliers of codebook weights: single weights that replace what the tables say. They are few, so their part is plain
 * JavaScript over linear memory, after the kernel that knows nothing of them: for one token the product gains
 * `(value − table_p[row][label]) · x[column]` per entry, in tiles of float32 rows the numbers themselves are replaced.
 */
import type { CodebookWeight, Precision } from "@stepdown/core";

/** Outliers of a prepared weight. */
export interface HeldOutliers {
  /** As in core's `SparseOutliers`. */
  readonly starts: Uint32Array;
  /** Places in padded rows. */
  readonly places: Uint32Array;
  readonly values: Float32Array;
  /** By precision: value less what the table says there. */
  readonly differences: ReadonlyMap<Precision, Float32Array>;
  /** Bytes of all arrays. */
  readonly bytes: number;
}

/** Copies the outliers of a checked weight, or returns `undefined` where there are none. */
export function holdOutliers(weight: CodebookWeight, paddedColumns: number): HeldOutliers | undefined {
  const { outliers, rows, planes, seedBits, bits, groupCount = 1 } = weight;
  if (outliers === undefined || outliers.values.length === 0) return undefined;
  const starts = outliers.starts.slice();
  const { columns } = outliers;
  const groupColumns = weight.columns / groupCount;
  const groupOf = (column: number): number => Math.floor(column / groupColumns);
  const padding = paddedColumns / groupCount - groupColumns;
  const places = Uint32Array.from(columns, (column) => column + groupOf(column) * padding);
  const values = Float32Array.from(outliers.values, halfToNumber);
  const rowBytes = Math.ceil(weight.columns / 8);
  const differences = new Map<Precision, Float32Array>();
  for (let p = seedBits; p <= bits; p++) {
    const table = weight.tables.get(p)!;
    const difference = new Float32Array(values.length);
    for (let row = 0; row < rows; row++) {
      for (let i = starts[row]!; i < starts[row + 1]!; i++) {
        const column = columns[i]!;
        let label = 0;
        for (let j = 0; j < p; j++) {
          label = (label << 1) | ((planes[j]![row * rowBytes + (column >> 3)]! >> (column & 7)) & 1);
        }
        difference[i] = values[i]! - halfToNumber(table[(row * groupCount + groupOf(column)) * 2 ** p + label]!);
      }
    }
    differences.set(p, difference);
  }
  const bytes = starts.byteLength + places.byteLength + values.byteLength * (1 + differences.size);
  return { starts, places, values, differences, bytes };
}

/** Adds the outliers' part to one token's product; `x` and `output` are indices of float32 numbers in `memory`. */
export function addOutliers(
  { starts, places, differences }: HeldOutliers,
  precision: Precision,
  memory: Float32Array,
  x: number,
  output: number,
): void {
  const difference = differences.get(precision)!;
  let i = 0;
  for (let row = 1; row < starts.length; row++) {
    const end = starts[row]!;
    if (i === end) continue;
    let sum = 0;
    for (; i < end; i++) sum += difference[i]! * memory[x + places[i]!]!;
    memory[output + row - 1]! += sum;
  }
}

/** Replaces the outliers of rows `row … row + count − 1`, which lie at float32 index `target` in `memory`. */
export function replaceOutliers(
  { starts, places, values }: HeldOutliers,
  row: number,
  count: number,
  memory: Float32Array,
  target: number,
  paddedColumns: number,
): void {
  for (let r = 0; r < count; r++) {
    const base = target + r * paddedColumns;
    for (let i = starts[row + r]!; i < starts[row + r + 1]!; i++) memory[base + places[i]!] = values[i]!;
  }
}

/** An IEEE half as a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
