/**
 * What becomes of every tensor of a float checkpoint: nested layer, uniform matrix, or float numbers.
 */
import { type Checkpoint, InvalidArgumentError, InvalidFileError, MissingFileError } from "@stepdown/core";
import { linearLayerNames } from "./architectures.js";

/** A matrix to quantize. */
export interface PlannedLayer {
  /** Its name in the nested model, without `.weight`. */
  readonly name: string;
  /** The tensor it is made from. */
  readonly source: string;
  /** `nested` follows the precision; `uniform` is embedding or head. */
  readonly kind: "nested" | "uniform";
  readonly rows: number;
  readonly columns: number;
}

/** A tensor that stays a tensor of float numbers. */
export interface PlannedTensor {
  /** Its name in the nested model. */
  readonly name: string;
  /** The tensor it is made from. */
  readonly source: string;
  readonly shape: readonly number[];
}

/** Fates of all tensors. */
export interface LayerPlan {
  /** Embedding and head first, then the blocks in the order of the forward pass. */
  readonly layers: readonly PlannedLayer[];
  readonly tensors: readonly PlannedTensor[];
}

const EMBEDDING = "model.embed_tokens";
const HEAD = "lm_head";

/** Plans a checkpoint; `quantizeHead` is whether embedding and head are quantized too. */
export function planLayers(checkpoint: Checkpoint, quantizeHead: boolean): LayerPlan {
  if (checkpoint.kind !== "float") {
    throw new InvalidArgumentError(
      `${checkpoint.location} holds a ${checkpoint.kind} model; quantizing starts from a float checkpoint. Give the one it was made from.`,
    );
  }
  const { config, tensors } = checkpoint;
  const tied = config.tie_word_embeddings ?? !tensors.has(`${HEAD}.weight`);
  // Of tied embeddings some checkpoints store the head only; the model gets it under the embedding's name.
  const embedding = tied && !tensors.has(`${EMBEDDING}.weight`) ? HEAD : EMBEDDING;
  const ends: [name: string, source: string][] = tied
    ? [[EMBEDDING, embedding]]
    : [
        [EMBEDDING, EMBEDDING],
        [HEAD, HEAD],
      ];
  const layers = [
    ...(quantizeHead ? ends.map(([name, source]) => planMatrix(checkpoint, name, source, "uniform")) : []),
    ...linearLayerNames(config).map((name) => planMatrix(checkpoint, name, name, "nested")),
  ];
  const done = new Set(layers.map(({ source }) => source));
  const kept: PlannedTensor[] = [];
  for (const [source, { shape }] of tensors) {
    const isSpareHead = tied && embedding === EMBEDDING && source === `${HEAD}.weight`;
    if (done.has(source) || isSpareHead) continue;
    kept.push({ name: tied && source === `${HEAD}.weight` ? `${EMBEDDING}.weight` : source, source, shape });
  }
  return { layers, tensors: kept };
}

function planMatrix(
  checkpoint: Checkpoint,
  name: string,
  sourceName: string,
  kind: PlannedLayer["kind"],
): PlannedLayer {
  const source = `${sourceName}.weight`;
  const stored = checkpoint.tensors.get(source);
  if (stored === undefined) {
    throw new MissingFileError(
      `${checkpoint.location} has no tensor ${source}, which its configuration promises; it is incomplete or its config.json belongs to another model.`,
    );
  }
  const [rows, columns] = stored.shape;
  if (stored.shape.length !== 2 || rows === undefined || columns === undefined || rows < 1 || columns < 1) {
    throw new InvalidFileError(
      `${checkpoint.location}: ${source} has the shape [${stored.shape.join(", ")}]; a linear layer has two dimensions.`,
    );
  }
  return { name, source, kind, rows, columns };
}
