/**
 * One sequence forwards and backwards through a decoder, to be read from top to bottom beside `model/forward-pass.ts`:
 * the same arithmetic, all tokens at once, without a cache, and then its derivative. The loss is the mean cross-entropy of
 * tokens 1 … T − 1, each predicted from those before it. Gradients go to an observer, layer by layer; none is kept.
 *
 * With y = W x per token: ∂loss/∂x = Wᵀ ∂loss/∂y, ∂loss/∂W = Σ_t ∂loss/∂y_t x_tᵀ.
 */
import type { FloatBuffer, GradientKernels } from "@stepdown/core";
import type { BlockActivations, GradientBuffers } from "./gradient-buffers.js";
import type { GradientLinear, GradientModel, GradientNormWeights } from "./gradient-weights.js";

/** What a pass shows of the linear layers of the blocks; buffers change after the call. */
export interface GradientObserver {
  /** Gradient of the loss by a layer's outputs, `[tokens][rows]`, beside its inputs, `[tokens][columns]`. */
  onGradient(layer: GradientLinear, input: FloatBuffer, outputGradient: FloatBuffer, tokens: number): void;
}

/** What all sequences share. */
export interface GradientContext {
  readonly kernels: GradientKernels;
  readonly model: GradientModel;
  readonly buffers: GradientBuffers;
}

/** Steps of a pass, for progress: a block counts once forwards and twice backwards, as its products do; the head twice. */
export function countSteps({ model }: GradientContext): number {
  return 3 * model.configuration.blocks + 2;
}

/** Runs a sequence and returns its loss; `pause` is awaited after every step with the steps done, and may throw. */
export async function runGradientPass(
  context: GradientContext,
  ids: readonly number[],
  observer: GradientObserver,
  pause: (steps: number) => Promise<void> | void = () => {},
): Promise<number> {
  const { configuration: c } = context.model;
  embed(context, ids);
  for (let index = 0; index < c.blocks; index++) {
    forwardBlock(context, index, ids.length);
    await pause(index + 1);
  }
  const loss = await runHead(context, ids, () => pause(c.blocks));
  await pause(c.blocks + 2);
  for (let index = c.blocks - 1; index >= 0; index--) {
    await backwardBlock(context, index, ids.length, observer, () => pause(c.blocks + 2 + 2 * (c.blocks - 1 - index)));
    await pause(c.blocks + 2 + 2 * (c.blocks - index));
  }
  return loss;
}

function embed({ kernels, model, buffers }: GradientContext, ids: readonly number[]): void {
  const { weight, columns } = model.weights.embedding;
  ids.forEach((id, token) => {
    kernels.write(buffers.blocks[0]!.residual, kernels.read(weight, id * columns, columns), token * columns);
  });
}

function forwardBlock(context: GradientContext, index: number, tokens: number): void {
  const { kernels, model, buffers } = context;
  const { configuration: c } = model;
  const block = model.weights.blocks[index]!;
  const s = buffers.blocks[index]!;
  const next = buffers.blocks[index + 1]?.residual ?? buffers.final;
  const hidden = tokens * c.hiddenSize;

  // Attention: middle = residual + O · attend(rotate(Q · x), rotate(K · x), V · x), x = norm(residual)
  normalize(context, block.attentionNorm, s.residual, buffers.normalized, tokens, c.hiddenSize);
  linear(context, block.query, buffers.normalized, s.rawQueries ?? s.queries, tokens);
  linear(context, block.key, buffers.normalized, s.rawKeys ?? s.keys, tokens);
  linear(context, block.value, buffers.normalized, s.values, tokens);
  if (block.queryNorm) normalize(context, block.queryNorm, s.rawQueries!, s.queries, tokens * c.heads, c.headDimension);
  if (block.keyNorm) normalize(context, block.keyNorm, s.rawKeys!, s.keys, tokens * c.keyValueHeads, c.headDimension);
  rotate(context, s.queries, tokens, c.heads, false);
  rotate(context, s.keys, tokens, c.keyValueHeads, false);
  kernels.attend({ ...attention(context, index, s, tokens), output: s.attended });
  const attentionTarget = c.parallelBlock ? next : s.middle;
  linear(context, block.attentionOutput, s.attended, attentionTarget, tokens);
  kernels.add(attentionTarget, s.residual, hidden);

  // MLP: next = middle + D · (silu(G · x) ⊙ U · x), x = norm(middle); without a norm of its own, attention's x
  if (block.mlpNorm) normalize(context, block.mlpNorm, s.middle, buffers.normalized, tokens, c.hiddenSize);
  linear(context, block.gate, buffers.normalized, s.gate, tokens);
  linear(context, block.up, buffers.normalized, s.up, tokens);
  kernels.gate(s.gate, s.up, buffers.activation, tokens * c.intermediateSize);
  linear(context, block.down, buffers.activation, next, tokens, c.parallelBlock);
  if (!c.parallelBlock) kernels.add(next, s.middle, hidden);
}

/** Loss of the sequence; its gradient by the last residual stream is left in `residualGradient`. */
async function runHead(
  context: GradientContext,
  ids: readonly number[],
  pause: () => Promise<void> | void,
): Promise<number> {
  const { kernels, model, buffers } = context;
  const { hiddenSize, vocabularySize } = model.configuration;
  const { weight, bias } = model.weights.head;
  const tokens = ids.length;
  normalize(context, model.weights.finalNorm, buffers.final, buffers.normalized, tokens, hiddenSize);
  const matrix = { buffer: weight, rowStride: hiddenSize, columnStride: 1 };
  const logits = { buffer: buffers.logits, rowStride: vocabularySize, columnStride: 1 };
  let loss = 0;
  for (let first = 0; first < tokens; first += buffers.logitRows) {
    const rows = Math.min(buffers.logitRows, tokens - first);
    const part = { rowStride: hiddenSize, columnStride: 1, offset: first * hiddenSize };
    kernels.multiply({
      left: { ...part, buffer: buffers.normalized },
      right: { ...matrix, rowStride: 1, columnStride: hiddenSize },
      output: logits,
      ...{ rows, columns: vocabularySize, depth: hiddenSize },
    });
    if (bias) kernels.addBias(buffers.logits, bias, rows, vocabularySize);
    await pause();
    // The last token has no successor here: no loss and no gradient.
    const targets = Int32Array.from({ length: rows }, (_, row) => ids[first + row + 1] ?? -1);
    const factor = 1 / (tokens - 1);
    const losses = kernels.crossEntropy({ logits: buffers.logits, targets, rows, columns: vocabularySize, factor });
    loss = losses.reduce((sum, value) => sum + value, loss);
    kernels.multiply({
      left: logits,
      right: matrix,
      output: { ...part, buffer: buffers.normalizedGradient },
      ...{ rows, columns: hiddenSize, depth: vocabularySize },
    });
    await pause();
  }
  normalizeBackward(context, model.weights.finalNorm, buffers.final, buffers.normalizedGradient, {
    target: buffers.residualGradient,
    adds: false,
    ...{ rows: tokens, columns: hiddenSize },
  });
  return loss / (tokens - 1);
}

async function backwardBlock(
  context: GradientContext,
  index: number,
  tokens: number,
  observer: GradientObserver,
  pause: () => Promise<void> | void,
): Promise<void> {
  const { kernels, model, buffers: b } = context;
  const { configuration: c } = model;
  const block = model.weights.blocks[index]!;
  const s = b.blocks[index]!;
  const hiddenRows = { target: b.residualGradient, adds: true, rows: tokens, columns: c.hiddenSize };
  const back = (
    layer: GradientLinear,
    input: FloatBuffer,
    gradient: FloatBuffer,
    target: FloatBuffer,
    adds = false,
  ) => {
    linearBackward(context, observer, layer, { input, gradient, target, adds, tokens });
  };

  // MLP. In a parallel block the gradients of both halves meet before the one norm.
  normalize(context, block.mlpNorm ?? block.attentionNorm, s.middle, b.normalized, tokens, c.hiddenSize);
  kernels.gate(s.gate, s.up, b.activation, tokens * c.intermediateSize);
  back(block.down, b.activation, b.residualGradient, b.activationGradient);
  kernels.gateBackward(s.gate, s.up, b.activationGradient, tokens * c.intermediateSize);
  back(block.gate, b.normalized, s.gate, b.normalizedGradient);
  back(block.up, b.normalized, s.up, b.normalizedGradient, true);
  await pause();

  // Attention's output sees the gradient of the residual stream after the MLP's has been added to it.
  if (block.mlpNorm) {
    normalizeBackward(context, block.mlpNorm, s.middle, b.normalizedGradient, hiddenRows);
    normalize(context, block.attentionNorm, s.residual, b.normalized, tokens, c.hiddenSize);
  }
  back(block.attentionOutput, s.attended, b.residualGradient, b.attendedGradient);
  const { queryGradient, keyGradient, valueGradient, attendedGradient: outputGradient } = b;
  const gradients = { outputGradient, queryGradient, keyGradient, valueGradient };
  kernels.attendBackward({ ...attention(context, index, s, tokens), ...gradients });
  rotate(context, queryGradient, tokens, c.heads, true);
  rotate(context, keyGradient, tokens, c.keyValueHeads, true);
  const heads = { adds: false, columns: c.headDimension };
  if (block.queryNorm) {
    const rows = tokens * c.heads;
    normalizeBackward(context, block.queryNorm, s.rawQueries!, queryGradient, {
      ...heads,
      target: queryGradient,
      rows,
    });
  }
  if (block.keyNorm) {
    const rows = tokens * c.keyValueHeads;
    normalizeBackward(context, block.keyNorm, s.rawKeys!, keyGradient, { ...heads, target: keyGradient, rows });
  }
  back(block.query, b.normalized, queryGradient, b.normalizedGradient, c.parallelBlock);
  back(block.key, b.normalized, keyGradient, b.normalizedGradient, true);
  back(block.value, b.normalized, valueGradient, b.normalizedGradient, true);
  normalizeBackward(context, block.attentionNorm, s.residual, b.normalizedGradient, hiddenRows);
}

function attention({ model }: GradientContext, index: number, s: BlockActivations, tokens: number) {
  const { heads, keyValueHeads, headDimension, windows } = model.configuration;
  const window = windows[index];
  return {
    ...{ queries: s.queries, keys: s.keys, values: s.values },
    ...{ tokens, heads, keyValueHeads, headDimension, scale: 1 / Math.sqrt(headDimension) },
    ...(window !== undefined && { window }),
  };
}

function linear(
  { kernels }: GradientContext,
  { weight, bias, rows, columns }: GradientLinear,
  input: FloatBuffer,
  output: FloatBuffer,
  tokens: number,
  adds = false,
): void {
  kernels.multiply({
    left: { buffer: input, rowStride: columns, columnStride: 1 },
    right: { buffer: weight, rowStride: 1, columnStride: columns },
    output: { buffer: output, rowStride: rows, columnStride: 1 },
    ...{ rows: tokens, columns: rows, depth: columns },
    mode: adds ? "add" : "store",
  });
  if (bias) kernels.addBias(output, bias, tokens, rows);
}

interface LinearBackward {
  readonly input: FloatBuffer;
  readonly gradient: FloatBuffer;
  readonly target: FloatBuffer;
  readonly adds: boolean;
  readonly tokens: number;
}

function linearBackward(
  { kernels }: GradientContext,
  observer: GradientObserver,
  layer: GradientLinear,
  { input, gradient, target, adds, tokens }: LinearBackward,
): void {
  observer.onGradient(layer, input, gradient, tokens);
  const { weight, rows, columns } = layer;
  kernels.multiply({
    left: { buffer: gradient, rowStride: rows, columnStride: 1 },
    right: { buffer: weight, rowStride: columns, columnStride: 1 },
    output: { buffer: target, rowStride: columns, columnStride: 1 },
    ...{ rows: tokens, columns, depth: rows },
    mode: adds ? "add" : "store",
  });
}

function normalize(
  { kernels, model }: GradientContext,
  { weight, bias }: GradientNormWeights,
  input: FloatBuffer,
  output: FloatBuffer,
  rows: number,
  columns: number,
): void {
  const { norm: kind, normEpsilon: epsilon } = model.configuration;
  kernels.normalize({ kind, input, weight, bias, epsilon, output, rows, columns });
}

function normalizeBackward(
  { kernels, model }: GradientContext,
  { weight }: GradientNormWeights,
  input: FloatBuffer,
  outputGradient: FloatBuffer,
  { target, ...how }: { target: FloatBuffer; adds: boolean; rows: number; columns: number },
): void {
  const { norm: kind, normEpsilon: epsilon } = model.configuration;
  kernels.normalizeBackward({ kind, input, weight, epsilon, outputGradient, inputGradient: target, ...how });
}

function rotate(
  { kernels, model, buffers }: GradientContext,
  target: FloatBuffer,
  tokens: number,
  heads: number,
  inverse: boolean,
): void {
  const { headDimension, rotary } = model.configuration;
  const { cosines, sines } = buffers;
  kernels.rotate({ target, cosines, sines, tokens, heads, headDimension, rotaryDimension: rotary.dimension, inverse });
}
