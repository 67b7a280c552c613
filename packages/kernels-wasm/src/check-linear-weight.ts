/**
 * Whether the arrays of a weight have the lengths that its shape and codec demand. The kernels rely on it, because a
 * weight may come from a hostile file. Values are not looked at: every pattern of the right length is a weight.
 */
import {
  areCodebookGroups,
  type CodebookWeight,
  InvalidArgumentError,
  type LinearWeight,
  MAXIMUM_NESTED_PRECISION,
  type NestedWeight,
} from "@stepdown/core";
import { requireWhole } from "./checks.js";

/** Throws `InvalidArgumentError` for a weight that cannot be what it says. */
export function checkLinearWeight(weight: LinearWeight): void {
  const { rows, columns, codec } = weight;
  requireWhole(rows, 1, "prepareLinear: rows");
  requireWhole(columns, 1, "prepareLinear: columns");
  if (codec === "dense") {
    const type = weight.type === "f32" ? Float32Array : Uint16Array;
    if (weight.type !== "f32" && weight.type !== "f16" && weight.type !== "bf16")
      throw new InvalidArgumentError(
        `prepareLinear: dense type ${JSON.stringify(weight.type)} is not f32, f16 or bf16.`,
      );
    requireArray(weight.data, type, rows * columns, `data of type ${weight.type}`);
    return;
  }
  if (codec !== "codebook" && codec !== "uniform" && codec !== "bcq")
    throw new InvalidArgumentError(
      `prepareLinear: codec ${JSON.stringify(codec)} is not dense, codebook, uniform or bcq.`,
    );
  checkPlanes(weight);
  if (codec === "uniform") {
    requireArray(weight.scales, Float32Array, rows, "scales");
    return;
  }
  if (codec === "bcq") {
    requireWhole(weight.groupSize, 1, "prepareLinear: groupSize");
    if (columns % weight.groupSize !== 0)
      throw new InvalidArgumentError(
        `prepareLinear: groups of ${weight.groupSize} columns do not divide ${columns} columns.`,
      );
  }
  const groupCount = codec === "codebook" ? (weight.groupCount ?? 1) : 1;
  if (!areCodebookGroups(columns, groupCount))
    throw new InvalidArgumentError(
      `prepareLinear: ${columns} columns are no ${groupCount} groups of a multiple of 8 columns each.`,
    );
  for (let precision = weight.seedBits; precision <= weight.bits; precision++) {
    if (codec === "codebook") {
      const entries = rows * groupCount * 2 ** precision;
      requireArray(weight.tables?.get(precision), Uint16Array, entries, `table of ${precision} bits`);
      continue;
    }
    const groups = rows * (columns / weight.groupSize);
    const scales = weight.scales?.get(precision);
    requireArray(scales?.codes, Int8Array, groups * precision, `codes of ${precision} bits`);
    requireArray(scales?.steps, Uint16Array, rows, `steps of ${precision} bits`);
    if (scales?.offsets !== undefined) requireArray(scales.offsets, Int8Array, groups, `offsets of ${precision} bits`);
  }
  if (codec === "codebook") checkOutliers(weight);
}

/** Entries lie inside the matrix, in order; the loops over them rely on it. */
function checkOutliers({ outliers, rows, columns }: CodebookWeight): void {
  if (outliers === undefined) return;
  const { starts, columns: places, values } = outliers;
  requireArray(starts, Uint32Array, rows + 1, "outlier starts");
  const count = starts[rows]!;
  requireArray(places, Uint16Array, count, "outlier columns");
  requireArray(values, Uint16Array, count, "outlier values");
  let isOrdered = starts[0] === 0;
  for (let row = 0; row < rows && isOrdered; row++) {
    isOrdered = starts[row]! <= starts[row + 1]! && starts[row + 1]! <= count;
    for (let i = starts[row]!; i < starts[row + 1]! && isOrdered; i++)
      isOrdered = places[i]! < columns && (i === starts[row] || places[i]! > places[i - 1]!);
  }
  if (!isOrdered)
    throw new InvalidArgumentError(
      "prepareLinear: outliers must ascend row by row and lie inside the weight's columns.",
    );
}

function checkPlanes({ seedBits, bits, planes, rows, columns }: NestedWeight): void {
  requireWhole(seedBits, 1, "prepareLinear: seedBits");
  requireWhole(bits, 1, "prepareLinear: bits");
  if (bits > MAXIMUM_NESTED_PRECISION || seedBits > bits)
    throw new InvalidArgumentError(
      `prepareLinear: seedBits ${seedBits} and bits ${bits} are not within 1 ≤ seedBits ≤ bits ≤ ${MAXIMUM_NESTED_PRECISION}.`,
    );
  if (!Array.isArray(planes) || planes.length !== bits)
    throw new InvalidArgumentError(`prepareLinear: ${bits} bits need ${bits} planes, got ${String(planes?.length)}.`);
  const bytes = rows * Math.ceil(columns / 8);
  planes.forEach((plane, index) => {
    requireArray(plane, Uint8Array, bytes, `plane ${index}`);
  });
}

type NumberArray = Float32Array | Uint32Array | Uint16Array | Uint8Array | Int8Array;

function requireArray(
  array: NumberArray | undefined,
  type: new (length: number) => NumberArray,
  length: number,
  what: string,
): void {
  if (array instanceof type && array.length === length) return;
  const found = array === undefined ? "nothing" : `${array.constructor?.name} of ${array.length}`;
  throw new InvalidArgumentError(`prepareLinear: ${what} must be a ${type.name} of ${length} numbers, got ${found}.`);
}
