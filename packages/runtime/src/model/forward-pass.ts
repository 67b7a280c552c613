/**
 * The forward pass of a decoder, to be read from top to bottom: embedding, blocks, head. Precision comes with the call
 * and goes down to every weight that follows it; nothing here remembers one.
 *
 * Shapes: T tokens of one chunk; all activations are `[T][columns]` in the sequence's scratch buffers.
 */
import {
  type FloatBuffer,
  type KernelSet,
  type KeyValueCache,
  type Precision,
  type PrecisionDecision,
  precisionOfBlock,
} from "@stepdown/core";
import type { DecoderConfiguration } from "../configuration/decoder-configuration.js";
import type { RotaryTables } from "../rotary/rotary-tables.js";
import type { DecoderWeights, LoadedLinear, LoadedNorm } from "./decoder-weights.js";
import type { InputObserver } from "./input-observer.js";
import type { Scratch } from "./scratch.js";

/** What all chunks of a sequence share. */
export interface ForwardContext {
  readonly kernels: KernelSet;
  readonly configuration: DecoderConfiguration;
  readonly weights: DecoderWeights;
  readonly rotary: RotaryTables;
  readonly scratch: Scratch;
  readonly cache: KeyValueCache;
  readonly observe: InputObserver | undefined;
}

/** Runs a chunk of tokens through embedding and all blocks; the result is left in `scratch.residual`. */
export async function forwardChunk(
  context: ForwardContext,
  ids: readonly number[],
  position: number,
  decision: PrecisionDecision,
): Promise<void> {
  const { kernels, configuration, weights, rotary, scratch } = context;
  rotary.grow(position + ids.length);
  const { weight: table, ownPrecision } = weights.embedding;
  kernels.embed({ table, precision: ownPrecision, ids, output: scratch.residual });
  for (let block = 0; block < configuration.blocks; block++) {
    await forwardBlock(context, block, ids.length, position, precisionOfBlock(decision, block));
  }
}

async function forwardBlock(
  context: ForwardContext,
  index: number,
  tokens: number,
  position: number,
  precision: Precision,
): Promise<void> {
  const { kernels, configuration: c, scratch: s, cache, observe } = context;
  const block = context.weights.blocks[index]!;

  // Attention: residual += O · attend(rotate(Q · x), rotate(K · x), V · x), x = norm(residual)
  normalize(context, block.attentionNorm, s.residual, s.normalized, tokens, c.hiddenSize);
  const projections = [block.query, block.key, block.value];
  if (observe) await observe(projections, s.normalized, tokens);
  linear(context, projections, precision, s.normalized, [s.queries, s.keys, s.values], tokens);
  if (block.queryNorm) normalizeHeads(context, block.queryNorm, s.queries, tokens * c.heads);
  if (block.keyNorm) normalizeHeads(context, block.keyNorm, s.keys, tokens * c.keyValueHeads);
  rotate(context, s.queries, c.heads, tokens, position);
  rotate(context, s.keys, c.keyValueHeads, tokens, position);
  kernels.storeKeyValues({ cache, block: index, keys: s.keys, values: s.values, tokens, position });
  kernels.attend({
    cache,
    block: index,
    queries: s.queries,
    output: s.attended,
    tokens,
    heads: c.heads,
    position,
    scale: 1 / Math.sqrt(c.headDimension),
    window: c.windows[index],
  });
  if (observe) await observe([block.attentionOutput], s.attended, tokens);
  linear(context, [block.attentionOutput], precision, s.attended, [s.update], tokens);
  kernels.add(s.residual, s.update, tokens * c.hiddenSize);

  // MLP: residual += D · (silu(G · x) ⊙ U · x), x = norm(residual); without a norm of its own, attention's x
  if (block.mlpNorm) normalize(context, block.mlpNorm, s.residual, s.normalized, tokens, c.hiddenSize);
  if (observe) await observe([block.gate, block.up], s.normalized, tokens);
  linear(context, [block.gate, block.up], precision, s.normalized, [s.gate, s.up], tokens);
  kernels.siluMultiply(s.gate, s.up, tokens * c.intermediateSize);
  if (observe) await observe([block.down], s.gate, tokens);
  linear(context, [block.down], precision, s.gate, [s.update], tokens);
  kernels.add(s.residual, s.update, tokens * c.hiddenSize);
}

/** Logits of rows `from … from + rows − 1` of the chunk in `scratch.residual`, into `logits` `[rows][vocabulary]`. */
export function forwardHead(context: ForwardContext, from: number, rows: number, logits: FloatBuffer): void {
  const { kernels, configuration: c, weights, scratch } = context;
  const residual = kernels.view(scratch.residual, from * c.hiddenSize, rows * c.hiddenSize);
  normalize(context, weights.finalNorm, residual, scratch.normalized, rows, c.hiddenSize);
  linear(context, [weights.head], weights.head.ownPrecision, scratch.normalized, [logits], rows);
}

function linear(
  { kernels }: ForwardContext,
  layers: readonly LoadedLinear[],
  precision: Precision,
  input: FloatBuffer,
  outputs: readonly FloatBuffer[],
  tokens: number,
): void {
  kernels.linear({
    weights: layers.map((layer) => layer.weight),
    precision,
    input,
    outputs,
    tokens,
    biases: layers.map((layer) => layer.bias),
  });
}

function normalize(
  { kernels, configuration }: ForwardContext,
  norm: LoadedNorm,
  input: FloatBuffer,
  output: FloatBuffer,
  tokens: number,
  columns: number,
): void {
  const { weight, bias } = norm;
  const call = { input, weight, epsilon: configuration.normEpsilon, output, tokens, columns };
  if (configuration.norm === "rms") kernels.rmsNormalize(call);
  else kernels.layerNormalize({ ...call, bias });
}

/** The same norm over each head, in place. A call carries so many rows at most; heads times tokens may be more. */
function normalizeHeads(context: ForwardContext, norm: LoadedNorm, target: FloatBuffer, rows: number): void {
  const { kernels, configuration } = context;
  const columns = configuration.headDimension;
  const most = kernels.capabilities.maximumTokens;
  for (let from = 0; from < rows; from += most) {
    const count = Math.min(most, rows - from);
    const part = kernels.view(target, from * columns, count * columns);
    normalize(context, norm, part, part, count, columns);
  }
}

function rotate(
  { kernels, configuration, rotary }: ForwardContext,
  target: FloatBuffer,
  heads: number,
  tokens: number,
  position: number,
): void {
  kernels.rotate({
    target,
    cosines: rotary.cosines,
    sines: rotary.sines,
    tokens,
    heads,
    headDimension: configuration.headDimension,
    rotaryDimension: rotary.dimension,
    position,
  });
}
