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

/** How far entries of moments may differ from their mirror images, relative to the diagonal: sums in float32 agree better. */
const ASYMMETRY = 1e-3;

/** Sensitivities have the layer's shape, are finite and not negative; of moments that holds for the diagonal. */
export function checkSensitivity(sensitivity: Sensitivity, { rows, columns }: LinearShape, name: string): void {
  const { kind, values } = sensitivity;
  const expected = { columns, weights: rows * columns, moments: columns * columns }[kind];
  if (values.length !== expected) {
    throw new InvalidArgumentError(
      `The sensitivity of ${name} (kind "${kind}") has ${values.length} values; the layer [${rows}, ${columns}] needs ${expected}.`,
    );
  }
  const diagonal = kind === "moments" ? columns + 1 : 1;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const least = i % diagonal === 0 ? 0 : -LARGEST_FLOAT32;
    if (value >= least && value <= LARGEST_FLOAT32) continue;
    throw new InvalidArgumentError(
      kind === "moments"
        ? `The moments of ${name} hold ${value} at row ${Math.floor(i / columns)}, column ${i % columns}; they have to be finite, and their diagonal not negative.`
        : `The sensitivity of ${name} holds ${value} at position ${i}; sensitivities have to be finite and not negative.`,
    );
  }
  if (kind === "moments") checkSymmetry(values, columns, name);
}

function checkSymmetry(values: Float32Array, columns: number, name: string): void {
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < i; j++) {
      const difference = Math.abs(values[i * columns + j]! - values[j * columns + i]!);
      if (difference === 0) continue;
      if (difference <= ASYMMETRY * Math.sqrt(values[i * (columns + 1)]! * values[j * (columns + 1)]!)) continue;
      throw new InvalidArgumentError(
        `The moments of ${name} are not symmetric: row ${i}, column ${j} holds ${values[i * columns + j]}, its mirror image ${values[j * columns + i]}.`,
      );
    }
  }
}

/** How much an error in each input feature matters: the diagonal of moments. */
export function diagonalOf(moments: Float32Array, columns: number): Float32Array {
  return Float32Array.from({ length: columns }, (_, k) => moments[k * (columns + 1)]!);
}
