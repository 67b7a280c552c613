import type { Precision } from "@stepdown/core";
import { precisionOfBlock } from "@stepdown/core";
import { attentionWork } from "./attention-work.js";
import type { CodecDescription } from "./codec-traffic.js";
import type { CheckedForward } from "./forward-request.js";
import { linearWork } from "./linear-work.js";
import type { OperatorWork } from "./operator-work.js";
import { blockSpecialWork, embeddingWork, finalNormWork } from "./special-work.js";

/**
 * The operators of one forward pass, in order: embedding, the operators of a block (once per group of blocks that are
 * alike, with their number), final norm, head. Nothing here depends on how fast the machine is.
 */
export function forwardWork(call: CheckedForward): readonly OperatorWork[] {
  const { model, hardware, profile, batch, phase } = call;
  const tokens = phase === "prefill" ? roundUp(call.tokens, hardware.promptRoundingTokens) : call.tokens;
  const context = phase === "decode" ? roundUp(call.contextTokens, hardware.contextRoundingTokens) : call.contextTokens;
  const allTokens = tokens * batch;
  const works: OperatorWork[] = [embeddingWork(model, allTokens, profile.vectors)];
  for (const group of groupBlocks(call)) {
    const linear = (index: number): OperatorWork =>
      linearWork({
        linear: model.linears[index]!,
        kind: "linear",
        blocks: group.blocks,
        bits: group.bits,
        codec: call.codec,
        tokens: allTokens,
        phase,
        hardware,
        profile,
      });
    // Queries, keys and values come before attention; the output projection and the feed-forward part after it.
    const before = model.linears.findIndex((entry) => !/[qkv]_proj$/.test(entry.name));
    for (let index = 0; index < before; index++) works.push(linear(index));
    works.push(
      attentionWork({
        model,
        blocks: group.blocks,
        tokens,
        context: Math.min(context, group.window),
        window: group.window,
        batch,
        phase,
        keyValueBits: profile.keyValueBits ?? hardware.keyValueBits,
        hardware,
        profile,
      }),
    );
    for (let index = Math.max(0, before); index < model.linears.length; index++) works.push(linear(index));
    works.push(blockSpecialWork(model, group.blocks, allTokens, profile));
  }
  const wanted = batch * (phase === "prefill" && profile.prefillHead === "last-token" ? 1 : tokens);
  works.push(finalNormWork(model, wanted, profile));
  const head = headWork(call, wanted);
  if (head !== undefined) works.push(head);
  return works;
}

/** Blocks that cost the same: equal precision and equal window. */
interface BlockGroup {
  readonly bits: Precision;
  readonly window: number;
  readonly blocks: number;
}

function groupBlocks(call: CheckedForward): readonly BlockGroup[] {
  const { model, precision } = call;
  const window = model.slidingWindow;
  if (typeof precision === "number" && window === undefined)
    return [{ bits: precision, window: Number.POSITIVE_INFINITY, blocks: model.blocks }];
  const groups = new Map<string, { bits: Precision; window: number; blocks: number }>();
  for (let block = 0; block < model.blocks; block++) {
    const bits = precisionOfBlock(precision, block);
    const reach = window !== undefined && block >= window.fromBlock ? window.tokens : Number.POSITIVE_INFINITY;
    const key = `${bits}/${reach}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { bits, window: reach, blocks: 1 });
    else group.blocks++;
  }
  return [...groups.values()];
}

function headWork(call: CheckedForward, tokens: number): OperatorWork | undefined {
  const { model, hardware, profile, precision } = call;
  const headBits = profile.headBits ?? hardware.headBits;
  if (headBits === 0) return undefined;
  const body = typeof precision === "number" ? precision : Math.max(...precision);
  // A head of its own width is stored with one scale per row; one that follows the body, as the body.
  const codec: CodecDescription = headBits === "body" ? call.codec : { codec: "uniform" };
  return linearWork({
    linear: { name: "head", rows: model.vocabularySize, columns: model.hiddenSize, bias: model.headBias },
    kind: "head",
    blocks: 1,
    bits: headBits === "body" ? body : headBits,
    codec,
    tokens,
    phase: call.phase,
    hardware,
    profile,
  });
}

function roundUp(value: number, multiple: number): number {
  return multiple === 1 ? value : Math.ceil(value / multiple) * multiple;
}
