import {
  areCodebookGroups,
  InvalidArgumentError,
  MAXIMUM_NESTED_PRECISION,
  type Precision,
  UnsupportedError,
} from "@stepdown/core";
import type { RowSettings } from "../codebook/quantize-rows.js";
import type { CodebookOptions, QuantizationMode } from "./quantize-linear.js";

/** Beyond 4 bits the seed's search costs more than all that follows and a deeper seed gains nothing over splitting. */
const MAXIMUM_SEED_BITS = 4;

/** The kernels and the published formats know no single-bit models. */
const MINIMUM_SEED_BITS = 2;

const MODES: readonly QuantizationMode[] = ["exact", "fixed", "reference"];

/** Fills in the precisions of any codec and refuses what can never work. */
export function resolvePrecisions(options: { seedBits?: Precision; bits?: Precision }): {
  seedBits: Precision;
  bits: Precision;
} {
  const { seedBits = 2, bits = Math.max(4, seedBits) } = options;
  if (!Number.isInteger(seedBits) || seedBits < MINIMUM_SEED_BITS || seedBits > MAXIMUM_SEED_BITS) {
    throw new InvalidArgumentError(
      `seedBits is ${seedBits}; it has to be an integer from ${MINIMUM_SEED_BITS} to ${MAXIMUM_SEED_BITS}.`,
    );
  }
  if (!Number.isInteger(bits) || bits < seedBits || bits > MAXIMUM_NESTED_PRECISION) {
    throw new InvalidArgumentError(
      `bits is ${bits}; it has to be an integer from seedBits (${seedBits}) to ${MAXIMUM_NESTED_PRECISION}.`,
    );
  }
  return { seedBits, bits };
}

/** Settings of the codebook codec, all of them. */
export type ResolvedSettings = Required<RowSettings>;

/** Fills in the defaults of the codebook codec and refuses what can never work. */
export function resolveSettings(options: CodebookOptions): ResolvedSettings {
  const { mode = "exact", seed = 0, groupCount = 1, effort = "quick" } = options;
  const precisions = resolvePrecisions(options);
  if (!MODES.includes(mode)) {
    throw new InvalidArgumentError(`The mode is ${JSON.stringify(mode)}; known modes are ${MODES.join(", ")}.`);
  }
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new InvalidArgumentError(`seed is ${seed}; it has to be an integer from 0 to 2^32 - 1.`);
  }
  if (!Number.isInteger(groupCount) || groupCount < 1) {
    throw new InvalidArgumentError(`groupCount is ${groupCount}; it has to be a positive integer.`);
  }
  if (groupCount > 1 && effort !== "quick") {
    throw new UnsupportedError(
      `groupCount is ${groupCount} and the effort ${effort}; error feedback knows one table per row. Leave groupCount out, or choose the effort quick.`,
    );
  }
  return { ...precisions, mode, seed, groupCount };
}

/** Refuses groups that a layer cannot have; `name` is for messages. */
export function checkGroupCount(columns: number, groupCount: number, name: string): void {
  if (areCodebookGroups(columns, groupCount)) return;
  const possible = Array.from({ length: columns }, (_, i) => i + 1).filter((n) => areCodebookGroups(columns, n));
  throw new InvalidArgumentError(
    `groupCount is ${groupCount}; the ${columns} columns of ${name} can be cut into ${possible.join(", ")} groups.`,
  );
}
