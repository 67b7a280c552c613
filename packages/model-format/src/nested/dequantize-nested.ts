import { type NestedWeight, type Precision, PrecisionUnavailableError } from "@stepdown/core";
import { float16Table } from "../numbers/float16.js";
import { unpackLabels } from "./planes.js";

const NO_OUTLIERS = { starts: new Uint32Array(), columns: new Uint16Array(), values: new Uint16Array() };

/**
 * The float32 numbers `[rows][columns]` that a nested weight stands for at a precision, by the formulas of core's
 * `linear-weight.ts`. For checks and exports; kernels multiply without this.
 */
export function dequantizeNested(weight: NestedWeight, precision: Precision = weight.bits): Float32Array {
  if (!Number.isInteger(precision) || precision < weight.seedBits || precision > weight.bits) {
    throw new PrecisionUnavailableError(
      `precision ${precision} asked for, the weight holds ${weight.seedBits} to ${weight.bits} bits`,
    );
  }
  const { rows, columns } = weight;
  const labels = unpackLabels(weight.planes.slice(0, precision), rows, columns, precision);
  const values = new Float32Array(rows * columns);
  switch (weight.codec) {
    case "codebook": {
      const half = float16Table();
      const table = weight.tables.get(precision) ?? new Uint16Array(0);
      const { groupCount = 1 } = weight;
      const groupColumns = columns / groupCount;
      for (let row = 0, i = 0; row < rows; row++) {
        for (let group = row * groupCount; group < (row + 1) * groupCount; group++) {
          const base = group * 2 ** precision;
          for (const end = i + groupColumns; i < end; i++) values[i] = half[table[base + labels[i]!]!]!;
        }
        const { starts, columns: places, values: kept } = weight.outliers ?? NO_OUTLIERS;
        for (let j = starts[row] ?? 0; j < (starts[row + 1] ?? 0); j++) {
          values[row * columns + places[j]!] = half[kept[j]!]!;
        }
      }
      return values;
    }
    case "uniform": {
      const levels = 2 ** precision;
      for (let row = 0, i = 0; row < rows; row++) {
        const step = weight.scales[row]! / levels;
        for (const end = i + columns; i < end; i++) values[i] = step * (2 * labels[i]! + 1 - levels);
      }
      return values;
    }
    case "bcq": {
      const half = float16Table();
      const scales = weight.scales.get(precision);
      if (scales === undefined) throw new PrecisionUnavailableError(`the weight holds no scales of ${precision} bits`);
      const { codes, steps, offsets } = scales;
      const groups = columns / weight.groupSize;
      // A group's sums over its first and its last planes: exact in float64, so that their order does not matter.
      const lowBits = precision >> 1;
      const highSums = new Float64Array(2 ** (precision - lowBits));
      const lowSums = new Float64Array(2 ** lowBits);
      for (let row = 0, i = 0; row < rows; row++) {
        const step = half[steps[row]!]!;
        for (let group = row * groups; group < (row + 1) * groups; group++) {
          const middle = (group + 1) * precision - lowBits;
          fillSignedSums(codes.subarray(group * precision, middle), step, offsets?.[group] ?? 0, highSums);
          fillSignedSums(codes.subarray(middle, middle + lowBits), step, 0, lowSums);
          for (const end = i + weight.groupSize; i < end; i++) {
            values[i] = highSums[labels[i]! >> lowBits]! + lowSums[labels[i]! & (lowSums.length - 1)]!;
          }
        }
      }
      return values;
    }
    default:
      return weight satisfies never;
  }
}

/** `sums[u] = (offset + Σ_i ±codes[i]) · step`, + where bit i of u is set, most significant first; 2^codes.length sums. */
function fillSignedSums(codes: Int8Array, step: number, offset: number, sums: Float64Array): void {
  sums[0] = offset * step;
  let count = 1;
  for (const code of codes) {
    const alpha = code * step;
    for (let u = count - 1; u >= 0; u--) {
      const sum = sums[u]!;
      sums[2 * u + 1] = sum + alpha;
      sums[2 * u] = sum - alpha;
    }
    count *= 2;
  }
}
