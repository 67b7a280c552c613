/**
 * One linear layer → nested codebook planes and tables.
 */
import type { CodebookWeight, LinearShape, Precision, Sensitivity } from "@stepdown/core";
import type { SplitMethod } from "../codebook/split.js";
import { type EffortOptions, resolveEffort } from "../feedback/resolve-effort.js";
import { checkLayer, type LayerOptions, quantizeRanges } from "./quantize-ranges.js";
import { quantizeWithFeedback } from "./quantize-with-feedback.js";
import { checkGroupCount, type ResolvedSettings, resolveSettings } from "./resolve-settings.js";

/** How clusters are found; see the README for what each is good for. */
export type QuantizationMode = SplitMethod;

/** Options that decide the result of the codebook codec. */
export interface CodebookOptions extends EffortOptions {
  /** Bits of the seed clusters, 2 to 4. Default: 2. */
  seedBits?: Precision;
  /** Bits of the finished labels, from `seedBits` to 8. Default: 4. */
  bits?: Precision;
  /** Default: `exact`. */
  mode?: QuantizationMode;
  /** Seed of the random numbers of `reference` and `fixed`, an integer from 0 to 2³²−1. Default: 0. */
  seed?: number;
  /**
   * Equal groups of neighbouring columns per row, each clustered on its own with tables of its own (16 · 2^p bits each); a
   * multiple of 8 columns each. Not with error feedback. Default: 1.
   */
  groupCount?: number;
}

/** Options of {@link quantizeLinear}. */
export interface QuantizeLinearOptions extends CodebookOptions, LayerOptions {
  /** How much an error in each weight matters. Default: all the same. Weights that are 0 never matter. */
  sensitivity?: Sensitivity;
}

/** Quantizes `weight`, row-major `[rows][columns]`, which stays as it is. */
export async function quantizeLinear(
  weight: Float32Array,
  shape: LinearShape,
  options: QuantizeLinearOptions = {},
): Promise<CodebookWeight> {
  const settings = resolveSettings(options);
  checkLayer(weight, shape, options);
  const { rows, columns } = shape;
  const { seedBits, bits, groupCount } = settings;
  checkGroupCount(columns, groupCount, options.name ?? "the weight");
  const { rowBytes, planes, tables } = allocate(shape, settings);
  const place = (packed: { planes: readonly Uint8Array[]; tables: readonly Uint16Array[] }, start: number): void => {
    for (const [j, plane] of packed.planes.entries()) planes[j]!.set(plane, start * rowBytes);
    const group = start * groupCount;
    for (const [i, table] of packed.tables.entries()) tables.get(seedBits + i)!.set(table, group << (seedBits + i));
  };
  const effort = resolveEffort(options, settings);
  if (effort.effort === "quick") await quantizeRanges(weight, shape, { codec: "codebook", settings, place }, options);
  else await quantizeWithFeedback(weight, shape, { codec: "codebook feedback", effort, settings, place }, options);
  const groups = groupCount === 1 ? {} : { groupCount };
  return { codec: "codebook", rows, columns, seedBits, bits, ...groups, planes, tables };
}

interface Allocated {
  readonly rowBytes: number;
  readonly planes: Uint8Array[];
  readonly tables: Map<Precision, Uint16Array>;
}

function allocate({ rows, columns }: LinearShape, { seedBits, bits, groupCount }: ResolvedSettings): Allocated {
  const rowBytes = Math.ceil(columns / 8);
  const tables = new Map<Precision, Uint16Array>();
  for (let b = seedBits; b <= bits; b++) tables.set(b, new Uint16Array(rows * groupCount * 2 ** b));
  return { rowBytes, planes: Array.from({ length: bits }, () => new Uint8Array(rows * rowBytes)), tables };
}
