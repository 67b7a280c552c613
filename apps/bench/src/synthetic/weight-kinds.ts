/** How synthetic weights are stored: the nested codecs, and the dense baselines. */
import type { WeightCodec } from "@stepdown/core";

/** Names on the command line and in reports. */
export const weightKinds = ["codebook", "uniform", "bcq", "f16", "f32"] as const;

/** One of {@link weightKinds}. */
export type WeightKind = (typeof weightKinds)[number];

/** Whether the kind is stored as nested planes. */
export function isNestedKind(kind: WeightKind): kind is Exclude<WeightCodec, "dense"> {
  return kind !== "f16" && kind !== "f32";
}

/** Preferred columns per group of a binary-coded weight (the published setting), then smaller ones, then all columns. */
const GROUP_SIZES = [128, 96, 64];

/** Group size for a layer: the first that divides the columns. */
export function groupSizeFor(columns: number): number {
  return GROUP_SIZES.find((size) => columns % size === 0) ?? columns;
}
