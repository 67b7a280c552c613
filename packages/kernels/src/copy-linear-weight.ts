import type { BinaryScales, LinearWeight, SparseOutliers } from "@stepdown/core";

/** A weight with its own copies of all arrays, in the layout it came in. */
export function copyLinearWeight(weight: LinearWeight): LinearWeight {
  if (weight.codec === "dense") return { ...weight, data: weight.data.slice() };
  const planes = weight.planes.map((plane) => plane.slice());
  if (weight.codec === "codebook") {
    const tables = new Map([...weight.tables].map(([precision, table]) => [precision, table.slice()] as const));
    return weight.outliers === undefined
      ? { ...weight, planes, tables }
      : { ...weight, planes, tables, outliers: copyOutliers(weight.outliers) };
  }
  if (weight.codec === "uniform") return { ...weight, planes, scales: weight.scales.slice() };
  const scales = new Map([...weight.scales].map(([precision, set]) => [precision, copyScales(set)] as const));
  return { ...weight, planes, scales };
}

/** Bytes of all arrays of a weight. */
export function linearWeightBytes(weight: LinearWeight): number {
  if (weight.codec === "dense") return weight.data.byteLength;
  let bytes = 0;
  for (const plane of weight.planes) bytes += plane.byteLength;
  if (weight.codec === "codebook") {
    for (const table of weight.tables.values()) bytes += table.byteLength;
    for (const array of Object.values(weight.outliers ?? {})) bytes += array.byteLength;
  } else if (weight.codec === "uniform") bytes += weight.scales.byteLength;
  else
    for (const { codes, steps, offsets } of weight.scales.values())
      bytes += codes.byteLength + steps.byteLength + (offsets?.byteLength ?? 0);
  return bytes;
}

function copyOutliers({ starts, columns, values }: SparseOutliers): SparseOutliers {
  return { starts: starts.slice(), columns: columns.slice(), values: values.slice() };
}

function copyScales({ codes, steps, offsets }: BinaryScales): BinaryScales {
  const copy = { codes: codes.slice(), steps: steps.slice() };
  return offsets === undefined ? copy : { ...copy, offsets: offsets.slice() };
}
