/**
 * What the stored weights mean: one row of a weight as float32 numbers, for every codec.
 *
 * Planes: column k of a row is bit `k mod 8` of byte `floor(k / 8)` of that row; plane 0 is the most significant bit of
 * the label. Effective bits per weight at precision p over K columns: codebook with G groups
 * `p + 16 · 2^p · G / K`, uniform `p + 32 / K`,
 * binary-coded with group size g `p + 8p / g + 16 / K`.
 *
 * Values are computed in float64 and rounded to float32 once. For codebook and binary-coded weights that rounding never
 * happens: a half has 11 significant bits, a sum of at most nine 8-bit codes 11 more, together 22 of float32's 24.
 */
import type {
  BinaryCodedWeight,
  CodebookWeight,
  DenseWeight,
  LinearWeight,
  NestedWeight,
  Precision,
  UniformWeight,
} from "@stepdown/core";
import { bfloat16ToNumber } from "./bfloat16.js";
import { float16ToNumber } from "./float16.js";

/** Writes row `row` of a checked weight at an available precision to `target`, `[columns]`. */
export function dequantizeRow(weight: LinearWeight, precision: Precision, row: number, target: Float32Array): void {
  if (weight.codec === "dense") dequantizeDense(weight, row, target);
  else if (weight.codec === "codebook") dequantizeCodebook(weight, precision, row, target);
  else if (weight.codec === "uniform") dequantizeUniform(weight, precision, row, target);
  else dequantizeBinaryCoded(weight, precision, row, target);
}

function dequantizeDense(weight: DenseWeight, row: number, target: Float32Array): void {
  const { columns, data, type } = weight;
  for (let k = 0; k < columns; k++) {
    const stored = data[row * columns + k]!;
    target[k] = type === "f32" ? stored : type === "f16" ? float16ToNumber(stored) : bfloat16ToNumber(stored);
  }
}

/** `table_p[row][group][label >> (bits − p)]`, the shifted label what the first p planes spell; outliers replace it. */
function dequantizeCodebook(weight: CodebookWeight, precision: Precision, row: number, target: Float32Array): void {
  const { groupCount = 1 } = weight;
  const groupColumns = weight.columns / groupCount;
  const table = weight.tables.get(precision)!;
  const entries = 2 ** precision;
  const labels = readLabels(weight, precision, row);
  const centroids = new Float32Array(entries);
  for (let group = 0; group < groupCount; group++) {
    const from = (row * groupCount + group) * entries;
    for (let u = 0; u < entries; u++) centroids[u] = float16ToNumber(table[from + u]!);
    const end = (group + 1) * groupColumns;
    for (let k = group * groupColumns; k < end; k++) target[k] = centroids[labels[k]!]!;
  }
  if (weight.outliers === undefined) return;
  const { starts, columns, values } = weight.outliers;
  for (let i = starts[row]!; i < starts[row + 1]!; i++) target[columns[i]!] = float16ToNumber(values[i]!);
}

/** `scale[row] · (2u + 1 − 2^p) / 2^p` with u the first p bits of the label. */
function dequantizeUniform(weight: UniformWeight, precision: Precision, row: number, target: Float32Array): void {
  const scale = weight.scales[row]!;
  const entries = 2 ** precision;
  const labels = readLabels(weight, precision, row);
  for (let k = 0; k < weight.columns; k++) target[k] = (scale * (2 * labels[k]! + 1 - entries)) / entries;
}

/** `step[row] · (Σ_{i<p} code_i b_i + offset)`, `b_i = 2·bit_i − 1`, codes and offset of the column's group. */
function dequantizeBinaryCoded(
  weight: BinaryCodedWeight,
  precision: Precision,
  row: number,
  target: Float32Array,
): void {
  const { codes, steps, offsets } = weight.scales.get(precision)!;
  const { columns, groupSize } = weight;
  const step = float16ToNumber(steps[row]!);
  const labels = readLabels(weight, precision, row);
  for (let from = 0; from < columns; from += groupSize) {
    const group = (row * columns + from) / groupSize;
    const offset = offsets === undefined ? 0 : offsets[group]!;
    for (let k = from; k < from + groupSize; k++) {
      let sum = offset;
      for (let i = 0; i < precision; i++) {
        const code = codes[group * precision + i]!;
        sum += (labels[k]! >> (precision - 1 - i)) & 1 ? code : -code;
      }
      target[k] = step * sum;
    }
  }
}

/** The first p bits of a row's labels, most significant first: what precision p knows of them. */
function readLabels(weight: NestedWeight, precision: Precision, row: number): Uint8Array {
  const labels = new Uint8Array(weight.columns);
  const from = row * Math.ceil(weight.columns / 8);
  for (let i = 0; i < precision; i++) {
    const plane = weight.planes[i]!;
    for (let k = 0; k < weight.columns; k++) labels[k] = (labels[k]! << 1) | ((plane[from + (k >> 3)]! >> (k & 7)) & 1);
  }
  return labels;
}
