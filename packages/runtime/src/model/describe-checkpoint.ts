import type { Checkpoint, ForwardCost, ModelDescription, Precision, PrecisionDecision } from "@stepdown/core";
import type { DecoderConfiguration } from "../configuration/decoder-configuration.js";
import { readDecoderConfiguration } from "../configuration/read-decoder-configuration.js";
import { checkCheckpoint } from "./check-checkpoint.js";
import { checkPrecision } from "./check-forward.js";
import { countParameters, type DecoderLayout, decoderLayout } from "./decoder-layout.js";
import { weightBytes } from "./weight-bytes.js";

/** What is known of a model without loading it. */
export interface CheckpointDescription {
  /** As a loaded model describes itself, except that end ids come from `config.json` alone. */
  readonly description: ModelDescription;
  /** What one forward pass of one token would read. */
  cost(decision: PrecisionDecision): ForwardCost;
  /** Bytes of the weights in memory when all precisions up to this one are loaded. */
  loadedBytes(highest: Precision): number;
}

/** Checks configuration and tensor shapes of a checkpoint and adds up its sizes; reads no weights. */
export function describeCheckpoint(checkpoint: Checkpoint): CheckpointDescription {
  const configuration = readDecoderConfiguration(checkpoint.config, `${checkpoint.location}: config.json`);
  const layout = decoderLayout(configuration, (name) => checkpoint.has(name));
  checkCheckpoint(checkpoint, layout);
  const bytes = weightBytes(checkpoint, layout);
  const check = (decision: PrecisionDecision): void => {
    checkPrecision(decision, configuration.blocks, checkpoint.precisions);
  };
  return {
    description: describeModel(checkpoint, configuration, layout, configuration.endOfSequenceIds),
    cost(decision) {
      check(decision);
      return bytes.cost(decision);
    },
    loadedBytes(highest) {
      check(highest);
      return bytes.loadedBytes(highest);
    },
  };
}

/** Core's description of a model. */
export function describeModel(
  checkpoint: Checkpoint,
  configuration: DecoderConfiguration,
  layout: DecoderLayout,
  endOfSequenceIds: readonly number[],
): ModelDescription {
  const { architecture, blocks, hiddenSize, intermediateSize, heads, keyValueHeads, headDimension } = configuration;
  return {
    architecture,
    blocks,
    hiddenSize,
    intermediateSize,
    heads,
    keyValueHeads,
    headDimension,
    vocabularySize: configuration.vocabularySize,
    contextLength: configuration.contextLength,
    codec: checkpoint.nestedLayers.get(layout.blocks[0]!.query.name)?.codec ?? "dense",
    ...countParameters(layout),
    endOfSequenceIds,
  };
}
