import type { Precision } from "@stepdown/core";
import { type LayerFacts, storedLayerOf } from "@stepdown/model-format";

/** What one precision of a quantized model costs. */
export interface PrecisionReport {
  readonly precision: Precision;
  /** Bits per weight of the decoder blocks' matrices: planes up to this precision and this precision's tables or scales. */
  readonly effectiveBits: number;
  /** Bytes of the same: what one decoding step reads of the blocks. */
  readonly bytes: number;
}

/** What {@link quantizeCheckpoint} made. */
export interface QuantizationReport {
  readonly directory: string;
  /** Nested matrices of the decoder blocks, and their weights. */
  readonly layers: number;
  readonly weights: number;
  /** Ascending. */
  readonly precisions: readonly PrecisionReport[];
  /** Bytes of quantized embedding and head, the same at every precision; 0 when they are kept as float numbers. */
  readonly headBytes: number;
  /** Layers taken over from a stopped run. */
  readonly resumedLayers: number;
  /** Worker threads used; 0 is the calling thread. */
  readonly threads: number;
}

/** Sums up the layers' sizes. */
export function summarizeLayers(
  layers: readonly LayerFacts[],
): Pick<QuantizationReport, "layers" | "weights" | "precisions" | "headBytes"> {
  const nested = layers.filter(({ followsPrecision }) => followsPrecision);
  const weights = nested.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const { seedBits, bits } = nested[0] ?? { seedBits: 1, bits: 0 };
  const precisions = Array.from({ length: bits - seedBits + 1 }, (_, i): PrecisionReport => {
    const precision = seedBits + i;
    const bytes = nested.reduce((sum, layer) => sum + storedLayerOf(layer).bytesAt(precision), 0);
    return { precision, effectiveBits: (8 * bytes) / weights, bytes };
  });
  const headBytes = layers
    .filter(({ followsPrecision }) => !followsPrecision)
    .reduce((sum, layer) => sum + storedLayerOf(layer).bytesAt(layer.bits), 0);
  return { layers: nested.length, weights, precisions, headBytes };
}
