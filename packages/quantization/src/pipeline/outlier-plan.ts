/**
 * A look at all nested layers before the first is quantized: which weights will be kept apart. Layers are read once more
 * for it; nothing of them stays in memory but their largest magnitudes.
 */
import {
  InvalidArgumentError,
  MAXIMUM_OUTLIER_COLUMNS,
  type Sensitivity,
  type SparseOutliers,
  UnsupportedError,
} from "@stepdown/core";
import { float32ToFloat16 } from "@stepdown/model-format";
import { checkSensitivity, checkWeights } from "../linear/check-weights.js";
import {
  type MagnitudeSummary,
  mostSensitive,
  searchMultiplier,
  summarizeMagnitudes,
  thresholdOf,
} from "./outlier-search.js";
import type { LayerToQuantize, LayerWork } from "./quantize-layers.js";

/** Beyond this share every weight might as well have more bits. */
const LARGEST_SHARE = 0.05;

/** Of the outliers, the part that is chosen by sensitivity where there are sensitivities (SqueezeLLM: 0.05 % of 0.45 %). */
const SENSITIVE_PART = 1 / 9;

/** Moves the outliers of a layer out of `weight`, where they become 0; `undefined` where there are none. */
export type TakeOutliers = (
  weight: Float32Array,
  layer: LayerToQuantize,
  sensitivity: Sensitivity | undefined,
) => SparseOutliers | undefined;

/** Fills in the default and refuses shares that make no sense. */
export function resolveOutlierShare(outliers: number | undefined, codec: string): number {
  const share = outliers ?? 0;
  if (!(share >= 0 && share <= LARGEST_SHARE)) {
    throw new InvalidArgumentError(
      `outliers is ${share}; it has to be a share of the weights from 0 to ${LARGEST_SHARE}.`,
    );
  }
  if (share > 0 && codec !== "codebook") {
    throw new InvalidArgumentError("outliers is an option of the codec codebook; leave it out or choose that codec.");
  }
  return share;
}

/** Looks at all nested layers for `share` of their weights. */
export async function planOutliers(input: Omit<LayerWork, "takeOutliers">, share: number): Promise<TakeOutliers> {
  const { checkpoint, sensitivity, signal } = input;
  const layers = input.layers.filter(({ followsPrecision }) => followsPrecision);
  const wide = layers.find(({ columns }) => columns > MAXIMUM_OUTLIER_COLUMNS);
  if (wide !== undefined) {
    throw new UnsupportedError(
      `${wide.name} has ${wide.columns} columns; layers with outliers can have ${MAXIMUM_OUTLIER_COLUMNS}. Leave outliers out.`,
    );
  }
  const wait = signal === undefined ? {} : { signal };
  const total = layers.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const summaries: MagnitudeSummary[] = [];
  let done = 0;
  let taken = 0;
  for (const layer of layers) {
    signal?.throwIfAborted();
    const weight = (await checkpoint.readFloat32(layer.source, wait)).slice();
    checkWeights(weight, layer.columns, layer.source);
    const positions = sensitivePositions(weight, await sensitivity?.read(layer.name, layer, wait), layer, share);
    for (const i of positions) weight[i] = 0;
    taken += positions.length;
    summaries.push(summarizeMagnitudes(weight, share));
    done += weight.length;
    input.onProgress?.({ phase: "looking for outliers", done, total, unit: "weights", detail: layer.name });
  }
  const multiplier = searchMultiplier(summaries, share - taken / total);
  const thresholds = new Map(layers.map(({ name }, i) => [name, thresholdOf(summaries[i]!, multiplier)]));
  return (weight, layer, values) => {
    const threshold = thresholds.get(layer.name);
    if (threshold === undefined) return undefined;
    const isSensitive = new Set(sensitivePositions(weight, values, layer, share));
    return takeOut(weight, layer, (i, w) => isSensitive.has(i) || Math.abs(w) >= threshold);
  };
}

/** Positions in the matrix; only values of single weights say something of single weights. */
function sensitivePositions(
  weight: Float32Array,
  sensitivity: Sensitivity | undefined,
  layer: LayerToQuantize,
  share: number,
): Uint32Array {
  if (sensitivity?.kind !== "weights") return new Uint32Array();
  checkSensitivity(sensitivity, layer, layer.name);
  const count = Math.floor(share * SENSITIVE_PART * weight.length);
  return mostSensitive(sensitivity.values, count).filter((i) => weight[i] !== 0);
}

/** Takes out what a predicate says, zeros excepted. */
function takeOut(
  weight: Float32Array,
  { rows, columns }: LayerToQuantize,
  isOutlier: (position: number, w: number) => boolean,
): SparseOutliers | undefined {
  const starts = new Uint32Array(rows + 1);
  const places: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < columns; k++) {
      const i = row * columns + k;
      if (weight[i] === 0 || !isOutlier(i, weight[i]!)) continue;
      places.push(k);
      values.push(weight[i]!);
      weight[i] = 0;
    }
    starts[row + 1] = places.length;
  }
  if (places.length === 0) return undefined;
  return { starts, columns: Uint16Array.from(places), values: float32ToFloat16(Float32Array.from(values)) };
}
