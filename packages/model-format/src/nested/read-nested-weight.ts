import {
  type BinaryScales,
  InvalidFileError,
  type NestedWeight,
  type Precision,
  PrecisionUnavailableError,
} from "@stepdown/core";
import { findNonFiniteFloat16 } from "../numbers/float16.js";
import { asFloat32, asInt8, asUint16, asUint32 } from "../numbers/views.js";
import type { LayerFacts, NestedLayerPart } from "./layer-facts.js";
import { planeRowBytes } from "./planes.js";

/** Supplies the bytes of one piece of one layer; their number has been checked against the layer's shape. */
export type PartReader = (part: NestedLayerPart) => Promise<Uint8Array>;

/** Which precisions of a layer are wanted. */
export interface PrecisionWindow {
  readonly minimum: Precision;
  readonly maximum: Precision;
}

/**
 * The window that a caller's options mean for a layer, at most `available` bits of which can be read. Layers that do not
 * follow the precision are always whole.
 */
export function windowOf(
  layer: LayerFacts,
  available: Precision,
  options: { minimumPrecision?: Precision; maximumPrecision?: Precision },
  location: string,
): PrecisionWindow {
  if (!layer.followsPrecision) return { minimum: layer.seedBits, maximum: layer.bits };
  const top = Math.min(layer.bits, available);
  const maximum = options.maximumPrecision ?? top;
  const minimum = options.minimumPrecision ?? Math.min(layer.seedBits, maximum);
  if (
    !Number.isInteger(minimum) ||
    !Number.isInteger(maximum) ||
    minimum < layer.seedBits ||
    maximum > top ||
    minimum > maximum
  ) {
    throw new PrecisionUnavailableError(
      `${location}: "${layer.name}" asked for at ${minimum} to ${maximum} bits, ${layer.seedBits} to ${top} can be read`,
    );
  }
  return { minimum, maximum };
}

/** Puts a weight together from its pieces, checking what arithmetic relies on: finite tables and scales, clean padding. */
export async function readNestedWeight(
  layer: LayerFacts,
  window: PrecisionWindow,
  read: PartReader,
  location: string,
): Promise<NestedWeight> {
  const { rows, columns } = layer;
  const { minimum, maximum } = window;
  const label = `${location}: "${layer.name}"`;
  const planes: Uint8Array[] = [];
  for (let plane = 0; plane < maximum; plane++) {
    const bytes = await read({ kind: "plane", plane });
    checkPadding(bytes, rows, columns, `${label} plane ${plane}`);
    planes.push(bytes);
  }
  const shape = { rows, columns, seedBits: minimum, bits: maximum, planes };

  if (layer.codec === "uniform") {
    const scales = asFloat32(await read({ kind: "scale" }));
    const bad = scales.findIndex((scale) => !Number.isFinite(scale));
    if (bad >= 0) throw new InvalidFileError(`${label}: scale of row ${bad} is ${scales[bad]}; the file is damaged`);
    return { codec: "uniform", ...shape, scales };
  }
  if (layer.codec === "codebook") {
    const tables = new Map<Precision, Uint16Array>();
    for (let p = minimum; p <= maximum; p++) {
      tables.set(p, await readHalves({ kind: "table", precision: p }, read, `${label} table of ${p} bits`));
    }
    const outliers = layer.outliers ? { outliers: await readOutliers(layer, read, `${label} outliers`) } : {};
    const groups = layer.groupCount === undefined ? {} : { groupCount: layer.groupCount };
    return { codec: "codebook", ...shape, ...groups, tables, ...outliers };
  }
  const scales = new Map<Precision, BinaryScales>();
  for (let p = minimum; p <= maximum; p++) {
    const codes = asInt8(await read({ kind: "scale-codes", precision: p }));
    const steps = await readHalves({ kind: "scale-steps", precision: p }, read, `${label} scale steps of ${p} bits`);
    const offsets = layer.offsets ? { offsets: asInt8(await read({ kind: "offset-codes", precision: p })) } : {};
    scales.set(p, { codes, steps, ...offsets });
  }
  return { codec: "bcq", ...shape, groupSize: layer.groupSize ?? columns, scales };
}

/** Entries of kernels' loops: places have to be inside the matrix and in order, values finite. */
async function readOutliers({ rows, columns: width }: LayerFacts, read: PartReader, label: string) {
  const starts = asUint32(await read({ kind: "outlier-starts" }));
  const columns = asUint16(await read({ kind: "outlier-columns" }));
  const values = await readHalves({ kind: "outlier-values" }, read, `${label}: values`);
  const damaged = (what: string): never => {
    throw new InvalidFileError(`${label}: ${what}; the file is damaged`);
  };
  if (starts[0] !== 0 || starts[rows] !== columns.length)
    damaged(`rows do not begin at 0 and end at ${columns.length}`);
  for (let row = 0; row < rows; row++) {
    const [start, end] = [starts[row]!, starts[row + 1]!];
    if (start > end || end > columns.length) damaged(`row ${row} goes from ${start} to ${end}`);
    for (let i = start; i < end; i++) {
      if (columns[i]! >= width) damaged(`row ${row} names column ${columns[i]} of ${width}`);
      if (i > start && columns[i]! <= columns[i - 1]!) damaged(`the columns of row ${row} do not ascend`);
    }
  }
  return { starts, columns, values };
}

async function readHalves(part: NestedLayerPart, read: PartReader, label: string): Promise<Uint16Array> {
  const patterns = asUint16(await read(part));
  const bad = findNonFiniteFloat16(patterns);
  if (bad >= 0) throw new InvalidFileError(`${label}: entry ${bad} is infinite or not a number; the file is damaged`);
  return patterns;
}

function checkPadding(plane: Uint8Array, rows: number, columns: number, label: string): void {
  if (columns % 8 === 0) return;
  const rowBytes = planeRowBytes(columns);
  const surplus = 0xff & (0xff << (columns % 8));
  let seen = 0;
  for (let last = rowBytes - 1; last < rows * rowBytes; last += rowBytes) seen |= (plane[last] as number) & surplus;
  if (seen !== 0) throw new InvalidFileError(`${label}: has bits set beyond column ${columns}; the file is damaged`);
}
