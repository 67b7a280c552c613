/**
 * Bytes of a model's weights, from the checkpoint's headers alone: what a forward pass reads and what a loaded model holds.
 */
import {
  type Checkpoint,
  type ForwardCost,
  type Precision,
  type PrecisionDecision,
  precisionOfBlock,
} from "@stepdown/core";
import {
  countParameters,
  type DecoderLayout,
  type LinearLayout,
  linearsOfBlock,
  type NormLayout,
  normsOfBlock,
} from "./decoder-layout.js";

/** Sizes of a model's weights. */
export interface WeightBytes {
  /** What one forward pass of one token reads; the decision must have been checked. */
  cost(decision: PrecisionDecision): ForwardCost;
  /** Bytes held when all precisions up to this one are loaded. */
  loadedBytes(highest: Precision): number;
}

/** Adds up the weights of a layout. */
export function weightBytes(checkpoint: Checkpoint, layout: DecoderLayout): WeightBytes {
  const { precisions } = checkpoint;
  const tiedHead = layout.head === layout.embedding;
  const { nestedWeights } = countParameters(layout);
  const embeddingBytes = linearBytes(checkpoint, layout.embedding, wholePrecision(checkpoint, layout.embedding));
  const headBytes = linearBytes(checkpoint, layout.head, wholePrecision(checkpoint, layout.head));
  const vectors = [
    ...layout.blocks.flatMap((block) => normsOfBlock(block)),
    layout.finalNorm,
    ...layout.blocks.flatMap((block) => linearsOfBlock(block)),
  ];
  const vectorBytes = sum(vectors.map((vector) => bytesOfVectors(vector)));

  // Per precision: bytes read of each block, and bytes held of all blocks.
  const readBytes = new Map<Precision, readonly number[]>();
  const heldBytes = new Map<Precision, number>();
  for (const precision of precisions) {
    const blocks = layout.blocks.map((block) => {
      return sum(linearsOfBlock(block).map((linear) => linearBytes(checkpoint, linear, precision)));
    });
    readBytes.set(precision, blocks);
    const linears = layout.blocks.flatMap((block) => linearsOfBlock(block));
    heldBytes.set(precision, sum(linears.map((linear) => linearHeldBytes(checkpoint, linear, precision))));
  }

  return {
    cost(decision) {
      const nestedBytes = sum(
        layout.blocks.map((_, index) => readBytes.get(precisionOfBlock(decision, index))?.[index] ?? Number.NaN),
      );
      const bytes = nestedBytes + vectorBytes + headBytes + embeddingBytes / layout.embedding.rows;
      return { effectiveBits: (8 * nestedBytes) / nestedWeights, nestedBytes, bytes };
    },
    loadedBytes(highest) {
      const outer = tiedHead ? embeddingBytes : embeddingBytes + headBytes;
      return (heldBytes.get(highest) ?? Number.NaN) + outer + vectorBytes;
    },
  };
}

/** Bytes that one pass at a precision reads of one layer. */
function linearBytes(checkpoint: Checkpoint, { name, rows, columns }: LinearLayout, precision: Precision): number {
  const nested = checkpoint.nestedLayers.get(name);
  if (nested !== undefined) return nested.bytesAt(precision);
  // Block formats of GGUF are held as floats of the checkpoint's width, not as they are stored.
  const type = checkpoint.tensors.get(`${name}.weight`)?.type;
  const sixteenBits = type === "F16" || type === "BF16";
  const bits = type === "F32" ? 32 : sixteenBits ? 16 : (checkpoint.precisions.at(-1) ?? 32);
  return rows * columns * (bits === 16 ? 2 : 4);
}

/** Bytes of one layer with all its precisions up to this one: shared planes once, tables or scales of each. */
function linearHeldBytes(checkpoint: Checkpoint, layer: LinearLayout, highest: Precision): number {
  const nested = checkpoint.nestedLayers.get(layer.name);
  if (nested === undefined) return linearBytes(checkpoint, layer, highest);
  const planeBytes = layer.rows * Math.ceil(layer.columns / 8);
  let bytes = highest * planeBytes;
  for (let precision = nested.seedBits; precision <= highest; precision++) {
    bytes += nested.bytesAt(precision) - precision * planeBytes;
  }
  return bytes;
}

/** The precision at which a layer outside the blocks is always read. */
function wholePrecision(checkpoint: Checkpoint, { name }: LinearLayout): Precision {
  return checkpoint.nestedLayers.get(name)?.bits ?? checkpoint.precisions.at(-1) ?? 32;
}

/** A norm's weight and bias, or a linear layer's bias; held as float32. */
function bytesOfVectors(layer: LinearLayout | NormLayout): number {
  const length = "length" in layer ? (layer.bias ? 2 : 1) * layer.length : layer.bias ? layer.rows : 0;
  return length * Float32Array.BYTES_PER_ELEMENT;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
