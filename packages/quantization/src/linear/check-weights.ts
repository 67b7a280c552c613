/**
 * What has to be true of weights and sensitivities before rows are clustered. The loops over all values are the only
 * place where not-a-number and infinity are looked for.
 */
import { InvalidArgumentError, InvalidFileError, type LinearShape, type Sensitivity } from "@stepdown/core";

/** Largest finite half-precision number: tables hold nothing beyond. Values under 2⁻²⁵ become 0 there. */
export const LARGEST_FLOAT16 = 65504;

/** Largest finite float32 number. */
export const LARGEST_FLOAT32 = 3.4028234663852886e38;

/** Prefix sums and labels index a row's columns with 31-bit integers; no layer comes near. */
const MAXIMUM_COLUMNS = 2 ** 24;

/** The shape is possible and has as many weights as were given. */
export function checkShape({ rows, columns }: LinearShape, weights: number, name: string): void {
  const possible = Number.isInteger(rows) && rows > 0 && Number.isInteger(columns) && columns > 0;
  if (!possible || columns > MAXIMUM_COLUMNS || rows * columns !== weights) {
    throw new InvalidArgumentError(
      `${name} has the shape [${rows}, ${columns}] and ${weights} weights; rows times columns have to be the number of weights, with at most ${MAXIMUM_COLUMNS} columns.`,
    );
  }
}

/** All weights are finite, and small enough for tables in half precision unless another `limit` is given. */
export function checkWeights(
  weight: Float32Array,
  columns: number,
  name: string,
  limit: number = LARGEST_FLOAT16,
): void {
  for (let i = 0; i < weight.length; i++) {
    const magnitude = Math.abs(weight[i]!);
    if (magnitude <= limit) continue;
    const place = `row ${Math.floor(i / columns)}, column ${i % columns}`;
    throw new InvalidFileError(
      Number.isFinite(magnitude)
        ? `${name} holds ${weight[i]} (${place}); half-precision tables reach ${LARGEST_FLOAT16}. Rescale the layer or leave it unquantized.`
        : `${name} holds ${weight[i]} (${place}); weights have to be finite numbers. The checkpoint is damaged or was saved from a diverged run.`,
    );
  }
}

/** Sensitivities have the layer's shape, are finite and not negative. */
export function checkSensitivity({ kind, values }: Sensitivity, { rows, columns }: LinearShape, name: string): void {
  const expected = kind === "columns" ? columns : rows * columns;
  if (values.length !== expected) {
    throw new InvalidArgumentError(
      `The sensitivity of ${name} (kind "${kind}") has ${values.length} values; the layer [${rows}, ${columns}] needs ${expected}.`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value >= 0 && value < Number.POSITIVE_INFINITY) continue;
    throw new InvalidArgumentError(
      `The sensitivity of ${name} holds ${value} at position ${i}; sensitivities have to be finite and not negative.`,
    );
  }
}
