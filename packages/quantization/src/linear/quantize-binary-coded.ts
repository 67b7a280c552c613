/**
 * One linear layer → binary-coded planes and the scales of every precision.
 */
import type { BinaryCodedWeight, BinaryScales, LinearShape, Precision } from "@stepdown/core";
import { resolveGroupSize } from "../binary/group-size.js";
import type { BinaryRowRange, PackedBinaryRows } from "../binary/quantize-binary-rows.js";
import { type EffortOptions, resolveEffort } from "../feedback/resolve-effort.js";
import { checkLayer, type LayerOptions, quantizeRanges } from "./quantize-ranges.js";
import { quantizeWithFeedback } from "./quantize-with-feedback.js";
import { resolvePrecisions } from "./resolve-settings.js";

/** Options that decide the result of the binary codec. */
export interface BinaryCodedOptions extends EffortOptions {
  /** Bits whose planes are found together, 2 to 4, and the lowest precision. Default: 2. */
  seedBits?: Precision;
  /** All bits, from `seedBits` to 8. Default: 4. */
  bits?: Precision;
  /**
   * Columns that share scales: a divisor of the columns, from 32 up. Default: 96 where it divides the columns, else the
   * largest multiple of 4 from 32 to 128 that does, else whole rows.
   */
  groupSize?: number;
  /** Whether groups also have an offset, one more byte each. Default: `false`. */
  offset?: boolean;
}

/** Options of {@link quantizeBinaryCoded}. */
export interface QuantizeBinaryCodedOptions extends BinaryCodedOptions, LayerOptions {}

/** Quantizes `weight`, row-major `[rows][columns]`, which stays as it is. */
export async function quantizeBinaryCoded(
  weight: Float32Array,
  shape: LinearShape,
  options: QuantizeBinaryCodedOptions = {},
): Promise<BinaryCodedWeight> {
  const { seedBits, bits } = resolvePrecisions(options);
  const offset = options.offset ?? false;
  const effort = resolveEffort(options, { seedBits, bits });
  checkLayer(weight, shape, options);
  const { rows, columns } = shape;
  const groupSize = resolveGroupSize(columns, options.groupSize, options.name ?? "the weight");
  const settings = { seedBits, bits, groupSize, offset };
  const { planes, scales } = allocate({ ...settings, rows, columns });
  const place = (packed: PackedBinaryRows, start: number): void => {
    for (const [j, plane] of packed.planes.entries()) planes[j]!.set(plane, start * Math.ceil(columns / 8));
    for (const [i, part] of packed.scales.entries()) {
      const target = scales.get(seedBits + i)!;
      const group = start * (columns / groupSize);
      target.codes.set(part.codes, group * (seedBits + i));
      target.steps.set(part.steps, start);
      if (part.offsets !== undefined) target.offsets?.set(part.offsets, group);
    }
  };
  if (effort.effort === "quick") await quantizeRanges(weight, shape, { codec: "bcq", settings, place }, options);
  else
    await quantizeWithFeedback(weight, shape, { codec: "bcq feedback", effort, settings, groupSize, place }, options);
  return { codec: "bcq", rows, columns, seedBits, bits, groupSize, planes, scales };
}

type Allocated = Pick<BinaryCodedWeight, "planes" | "scales">;

function allocate(range: Omit<BinaryRowRange, "weight">): Allocated {
  const { rows, columns, seedBits, bits, groupSize, offset } = range;
  const groups = rows * (columns / groupSize);
  const scales = new Map<Precision, BinaryScales>();
  for (let p = seedBits; p <= bits; p++) {
    scales.set(p, {
      codes: new Int8Array(groups * p),
      steps: new Uint16Array(rows),
      ...(offset ? { offsets: new Int8Array(groups) } : {}),
    });
  }
  return { planes: Array.from({ length: bits }, () => new Uint8Array(rows * Math.ceil(columns / 8))), scales };
}
