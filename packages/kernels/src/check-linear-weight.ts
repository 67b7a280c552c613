import {
  areCodebookGroups,
  type BinaryCodedWeight,
  type CodebookWeight,
  type DenseWeight,
  InvalidArgumentError,
  type LinearWeight,
  MAXIMUM_NESTED_PRECISION,
  type NestedWeight,
  type UniformWeight,
} from "@stepdown/core";

/**
 * Throws `InvalidArgumentError` unless all arrays of a weight have the lengths its shape and codec demand. Every other
 * function here relies on it. Values are not looked at: any bit pattern of the right length is a weight.
 */
export function checkLinearWeight(weight: LinearWeight): void {
  requireCount(weight.rows, "rows");
  requireCount(weight.columns, "columns");
  if (weight.codec === "dense") checkDense(weight);
  else if (weight.codec === "codebook") checkTables(weight);
  else if (weight.codec === "uniform") checkUniform(weight);
  else if (weight.codec === "bcq") checkBinaryScales(weight);
  else
    throw new InvalidArgumentError(
      `Codec ${JSON.stringify((weight as { codec: unknown }).codec)} is unknown; known are dense, codebook, uniform and bcq.`,
    );
}

function checkDense(weight: DenseWeight): void {
  const numbers = weight.rows * weight.columns;
  if (weight.type === "f32") requireLength(weight.data, Float32Array, numbers, "data of type f32");
  else if (weight.type === "f16" || weight.type === "bf16")
    requireLength(weight.data, Uint16Array, numbers, `data of type ${weight.type}`);
  else throw new InvalidArgumentError(`Dense type ${JSON.stringify(weight.type)} is unknown; use f32, f16 or bf16.`);
}

function checkPlanes(weight: NestedWeight): void {
  const { seedBits, bits, planes } = weight;
  requireCount(seedBits, "seedBits");
  requireCount(bits, "bits");
  if (bits > MAXIMUM_NESTED_PRECISION || seedBits > bits)
    throw new InvalidArgumentError(
      `A nested weight needs 1 ≤ seedBits ≤ bits ≤ ${MAXIMUM_NESTED_PRECISION}, got seedBits ${seedBits} and bits ${bits}.`,
    );
  if (!Array.isArray(planes) || planes.length !== bits)
    throw new InvalidArgumentError(`A weight of ${bits} bits needs ${bits} planes, got ${planes?.length}.`);
  const bytes = weight.rows * Math.ceil(weight.columns / 8);
  planes.forEach((plane, index) => {
    requireLength(plane, Uint8Array, bytes, `plane ${index}`);
  });
}

function checkTables(weight: CodebookWeight): void {
  checkPlanes(weight);
  const { columns, groupCount = 1 } = weight;
  if (!areCodebookGroups(columns, groupCount))
    throw new InvalidArgumentError(
      `A weight's ${columns} columns are no ${groupCount} groups of a multiple of 8 columns each.`,
    );
  for (let precision = weight.seedBits; precision <= weight.bits; precision++)
    requireLength(
      weight.tables.get(precision),
      Uint16Array,
      weight.rows * groupCount * 2 ** precision,
      `table of ${precision} bits`,
    );
  checkOutliers(weight);
}

/** Entries lie inside the matrix, in order; the loops over them rely on it. */
function checkOutliers({ outliers, rows, columns }: CodebookWeight): void {
  if (outliers === undefined) return;
  const { starts, columns: places, values } = outliers;
  requireLength(starts, Uint32Array, rows + 1, "outlier starts");
  const count = starts[rows]!;
  requireLength(places, Uint16Array, count, "outlier columns");
  requireLength(values, Uint16Array, count, "outlier values");
  let isOrdered = starts[0] === 0;
  for (let row = 0; row < rows && isOrdered; row++) {
    isOrdered = starts[row]! <= starts[row + 1]! && starts[row + 1]! <= count;
    for (let i = starts[row]!; i < starts[row + 1]! && isOrdered; i++)
      isOrdered = places[i]! < columns && (i === starts[row] || places[i]! > places[i - 1]!);
  }
  if (!isOrdered)
    throw new InvalidArgumentError("A weight's outliers must ascend row by row and lie inside its columns.");
}

function checkUniform(weight: UniformWeight): void {
  checkPlanes(weight);
  requireLength(weight.scales, Float32Array, weight.rows, "scales");
}

function checkBinaryScales(weight: BinaryCodedWeight): void {
  checkPlanes(weight);
  const { rows, columns, groupSize } = weight;
  requireCount(groupSize, "groupSize");
  if (columns % groupSize !== 0)
    throw new InvalidArgumentError(`Groups of ${groupSize} columns do not divide ${columns} columns.`);
  const groups = rows * (columns / groupSize);
  for (let precision = weight.seedBits; precision <= weight.bits; precision++) {
    const scales = weight.scales.get(precision);
    requireLength(scales?.codes, Int8Array, groups * precision, `scale codes of ${precision} bits`);
    requireLength(scales?.steps, Uint16Array, rows, `scale steps of ${precision} bits`);
    if (scales?.offsets !== undefined) requireLength(scales.offsets, Int8Array, groups, `offsets of ${precision} bits`);
  }
}

function requireCount(value: unknown, what: string): void {
  if (!Number.isSafeInteger(value) || (value as number) < 1)
    throw new InvalidArgumentError(`A weight needs a positive whole number of ${what}, got ${String(value)}.`);
}

type NumberArray = Float32Array | Uint32Array | Uint16Array | Uint8Array | Int8Array;

function requireLength(
  array: NumberArray | undefined,
  type: new (length: number) => NumberArray,
  length: number,
  what: string,
): void {
  if (!(array instanceof type) || array.length !== length)
    throw new InvalidArgumentError(
      `A weight's ${what} must be a ${type.name} of ${length} numbers, got ${
        array === undefined ? "nothing" : `${array.constructor?.name} of ${array.length}`
      }.`,
    );
}
