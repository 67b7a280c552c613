/**
 * The layers of a plan, one after the other, into files of the work directory. Two are under way at a time, so that the
 * threads have work while one layer ends and the next is read; no more than those two are in memory.
 */
import type {
  Checkpoint,
  NestedWeight,
  ProgressListener,
  SensitivitySource,
  SparseOutliers,
  WaitOptions,
} from "@stepdown/core";
import type { LayerFacts, NestedLayerSource } from "@stepdown/model-format";
import { checkWeights } from "../linear/check-weights.js";
import { quantizeBinaryCoded } from "../linear/quantize-binary-coded.js";
import { quantizeLinear } from "../linear/quantize-linear.js";
import { quantizeUniform } from "../linear/quantize-uniform.js";
import type { RowPool } from "../pool/row-pool.js";
import type { CodecSettings } from "./codec-settings.js";
import { openLayerFile, writeLayerFile } from "./layer-file.js";
import { sha256 } from "./node-files.js";
import type { TakeOutliers } from "./outlier-plan.js";
import type { WorkDirectory } from "./work-directory.js";

const LAYERS_UNDER_WAY = 2;

/** A layer as it will be, and the tensor it is made from. */
export interface LayerToQuantize extends LayerFacts {
  readonly source: string;
}

/** What {@link quantizeLayers} works on. */
export interface LayerWork {
  readonly checkpoint: Checkpoint;
  readonly layers: readonly LayerToQuantize[];
  readonly settings: CodecSettings;
  readonly sensitivity: SensitivitySource | undefined;
  /** Absent where no weights are kept apart. */
  readonly takeOutliers: TakeOutliers | undefined;
  readonly pool: RowPool;
  readonly work: WorkDirectory;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ProgressListener | undefined;
}

/** Quantizes all layers, or takes them over where an earlier run has finished them. */
export async function quantizeLayers(input: LayerWork): Promise<{ layers: NestedLayerSource[]; resumed: number }> {
  const { signal } = input;
  const finished: NestedLayerSource[] = [];
  const report = createReport(input);
  let next = 0;
  let resumed = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < input.layers.length && !failed) {
      signal?.throwIfAborted();
      const index = next++;
      const layer = await quantizeLayer(input, input.layers[index]!, report);
      finished[index] = layer.source;
      if (layer.resumed) resumed++;
    }
  };
  const lanes = Array.from({ length: LAYERS_UNDER_WAY }, () =>
    lane().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  // All lanes have to be at rest before this returns: their files are in the work directory.
  const failure = (await Promise.allSettled(lanes)).find(({ status }) => status === "rejected");
  if (failure?.status === "rejected") throw failure.reason;
  return { layers: finished, resumed };
}

/** Adds up the progress of layers that are under way at the same time. */
function createReport({ layers, onProgress }: LayerWork): (name: string, weights: number) => void {
  const total = layers.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  let done = 0;
  return (name, weights) => {
    done += weights;
    onProgress?.({ phase: "quantizing", done, total, unit: "weights", detail: name });
  };
}

async function quantizeLayer(
  input: LayerWork,
  layer: LayerToQuantize,
  report: (name: string, weights: number) => void,
): Promise<{ source: NestedLayerSource; resumed: boolean }> {
  const { source, ...planned } = layer;
  const { name, rows, columns } = planned;
  const path = input.work.pathOf(name);
  const wait: WaitOptions = input.signal === undefined ? {} : { signal: input.signal };
  const stored = await input.checkpoint.readFloat32(source, wait);
  const { weight, outliers } = await separateOutliers(input, stored, layer, wait);
  const facts = outliers === undefined ? planned : { ...planned, outliers: outliers.values.length };
  const expected = { facts, weights: await sha256([weight, ...Object.values(outliers ?? {})]) };
  const finished = await openLayerFile(path, expected);
  if (finished !== undefined) {
    report(name, rows * columns);
    return { source: finished, resumed: true };
  }
  let reported = 0;
  const options = {
    name: source,
    ...wait,
    onProgress: ({ done }: { done: number }) => {
      report(name, done - reported);
      reported = done;
    },
  };
  const dense = await quantizeWeight(input, weight, facts, options);
  const result = outliers === undefined || dense.codec !== "codebook" ? dense : { ...dense, outliers };
  await writeLayerFile(path, expected, result, input.signal);
  const written = await openLayerFile(path, expected);
  if (written === undefined) throw new Error(`${path} does not hold what was written to it; the disk may be failing.`);
  return { source: written, resumed: false };
}

/** The weights without their outliers, and these. */
async function separateOutliers(
  { takeOutliers, sensitivity }: LayerWork,
  stored: Float32Array,
  layer: LayerToQuantize,
  wait: WaitOptions,
): Promise<{ weight: Float32Array; outliers: SparseOutliers | undefined }> {
  if (takeOutliers === undefined || !layer.followsPrecision) return { weight: stored, outliers: undefined };
  checkWeights(stored, layer.columns, layer.source);
  const weight = stored.slice();
  return { weight, outliers: takeOutliers(weight, layer, await sensitivity?.read(layer.name, layer, wait)) };
}

async function quantizeWeight(
  { settings, sensitivity, pool }: LayerWork,
  weight: Float32Array,
  facts: LayerFacts,
  options: WaitOptions & { name: string },
): Promise<NestedWeight> {
  if (facts.codec === "uniform") return quantizeUniform(weight, facts, facts.bits, options);
  const values = await sensitivity?.read(facts.name, { rows: facts.rows, columns: facts.columns }, options);
  const all = { ...options, pool, ...(values === undefined ? {} : { sensitivity: values }) };
  if (settings.codec === "codebook") return quantizeLinear(weight, facts, { ...settings, ...all });
  const groupSize = facts.groupSize === undefined ? {} : { groupSize: facts.groupSize };
  return quantizeBinaryCoded(weight, facts, { ...settings, ...groupSize, ...all });
}
