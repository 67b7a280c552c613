/**
 * Rows of one layer → binary-coded labels and the scales of every precision (AnyBCQ, arXiv 2510.10467, without
 * calibration): four planes found together for all precisions up to 4, then one at a time, the lower ones frozen. The
 * planes and scales of precision p do not depend on how many bits are asked for. Each row is independent of all others, so a layer may be cut into ranges
 * of rows in any way without changing a bit of the result.
 *
 * Synchronous and single-threaded; `../pool` spreads it over threads.
 */
import { packPlanes } from "@stepdown/model-format";
import { addPlane } from "./add-plane.js";
import { type BinaryRow, createBinaryRow, JOINT, JOINT_BITS, UNKNOWNS } from "./binary-row.js";
import { fitJointPlanes } from "./joint-planes.js";
import { loadRow } from "./load-row.js";
import { storeJointPlanes } from "./store-joint-planes.js";
import { storePlane } from "./store-plane.js";

/** What the code of a row depends on, besides the row. */
export interface BinarySettings {
  /** Lowest precision; at most 4. */
  readonly seedBits: number;
  /** All bits, at most 8. */
  readonly bits: number;
  /** Whether groups have an offset. */
  readonly offset: boolean;
}

/** A range of rows. */
export interface BinaryRowRange extends BinarySettings {
  readonly rows: number;
  readonly columns: number;
  /** Columns that share scales; divides `columns`. */
  readonly groupSize: number;
  /** `[rows][columns]`, finite. */
  readonly weight: Float32Array;
  /** `[columns]`, `[rows][columns]` or absent. */
  readonly sensitivity?: Float32Array;
}

/** A quantized range of rows as stored. */
export interface PackedBinaryRows {
  /** Most significant bit first: `[rows][ceil(columns / 8)]` bytes. */
  readonly planes: readonly Uint8Array[];
  /** Index p − seedBits. */
  readonly scales: readonly PackedBinaryScales[];
}

/** Scales of one precision of a range of rows. */
export interface PackedBinaryScales {
  /** `[rows][columns / groupSize][p]`. */
  readonly codes: Int8Array;
  /** `[rows]`, half-precision patterns. */
  readonly steps: Uint16Array;
  /** `[rows][columns / groupSize]`. */
  readonly offsets?: Int8Array;
}

/** Codes every row of a range. */
export function quantizeBinaryRows(range: BinaryRowRange): PackedBinaryRows {
  const { rows, columns, weight, sensitivity, seedBits, bits } = range;
  const labels = new Uint8Array(rows * columns);
  const scales = Array.from({ length: bits - seedBits + 1 }, (_, i) => allocateScales(range, seedBits + i));
  const row = createBinaryRow(columns, range.groupSize, range.offset);
  const sensitivityStride = sensitivity !== undefined && sensitivity.length === columns ? 0 : columns;
  const surplus = Math.max(0, JOINT_BITS - bits);
  for (let r = 0; r < rows; r++) {
    loadRow(row, weight, r * columns, sensitivity, r * sensitivityStride);
    fitJointPlanes(row, seedBits);
    const joint = storeJointPlanes(row, seedBits);
    for (let p = seedBits; p <= Math.min(bits, JOINT_BITS); p++) {
      copyScales(row, r, p, joint[p]!.step, scales[p - seedBits]!, row.jointCodes, JOINT, p * UNKNOWNS);
    }
    let stored = joint[JOINT_BITS]!;
    for (let p = JOINT_BITS + 1; p <= bits; p++) {
      addPlane(row, p);
      stored = storePlane(row, p, stored);
      copyScales(row, r, p, stored.step, scales[p - seedBits]!, row.codes, UNKNOWNS, 0);
    }
    for (let k = 0; k < columns; k++) labels[r * columns + k] = row.labels[k]! >> surplus;
  }
  return { planes: packPlanes(labels, rows, columns, bits), scales };
}

function allocateScales({ rows, columns, groupSize, offset }: BinaryRowRange, precision: number): PackedBinaryScales {
  const groups = rows * (columns / groupSize);
  return {
    codes: new Int8Array(groups * precision),
    steps: new Uint16Array(rows),
    ...(offset ? { offsets: new Int8Array(groups) } : {}),
  };
}

/** Row `index` of one precision; the codes of group g are at `codes[g · stride + start]`, the offset's first. */
function copyScales(
  { groups }: BinaryRow,
  index: number,
  precision: number,
  step: number,
  target: PackedBinaryScales,
  codes: Int8Array,
  stride: number,
  start: number,
): void {
  target.steps[index] = step;
  for (let group = 0; group < groups; group++) {
    const place = index * groups + group;
    const at = group * stride + start;
    for (let i = 0; i < precision; i++) target.codes[place * precision + i] = codes[at + 1 + i]!;
    if (target.offsets !== undefined) target.offsets[place] = codes[at]!;
  }
}
