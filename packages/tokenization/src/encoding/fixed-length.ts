import { InvalidArgumentError } from "@stepdown/core";
import type { PostProcessor } from "./post-processor.js";

/** Inputs of an encoder model, all three `length` long. */
export interface FixedLengthEncoding {
  readonly ids: readonly number[];
  /** 1 for tokens, 0 for padding. */
  readonly attentionMask: readonly number[];
  /** Which of the two texts a token belongs to, as the post-processor numbers them. */
  readonly typeIds: readonly number[];
}

/** Puts the post-processor's tokens around the texts and brings the whole to `length`: cut or padded at the end. */
export function toFixedLength(
  texts: readonly [readonly number[]] | readonly [readonly number[], readonly number[]],
  processor: PostProcessor,
  length: number,
  paddingId: number,
): FixedLengthEncoding {
  const template = texts.length === 2 ? processor.pair : processor.single;
  const added = template.reduce((sum, item) => sum + ("ids" in item ? item.ids.length : 0), 0);
  if (!Number.isInteger(length) || length < added) {
    throw new InvalidArgumentError(
      `The length must be a whole number of at least ${added}, the tokens always added; got ${length}.`,
    );
  }
  const [first, second] = cutLongestFirst(texts[0].length, texts[1]?.length ?? 0, length - added);
  const ids: number[] = [];
  const typeIds: number[] = [];
  for (const item of template) {
    const part = "ids" in item ? item.ids : item.text === 0 ? texts[0].slice(0, first) : texts[1]!.slice(0, second);
    for (const id of part) {
      ids.push(id);
      typeIds.push(item.type);
    }
  }
  const padding = length - ids.length;
  return {
    attentionMask: [...new Array<number>(ids.length).fill(1), ...new Array<number>(padding).fill(0)],
    ids: [...ids, ...new Array<number>(padding).fill(paddingId)],
    typeIds: [...typeIds, ...new Array<number>(padding).fill(0)],
  };
}

/** Lengths of two texts that fit `budget` together, taking from the longer first; of equal ones the second keeps the odd token. */
function cutLongestFirst(first: number, second: number, budget: number): [number, number] {
  if (first + second <= budget) return [first, second];
  const shorter = Math.min(first, second);
  const half = Math.floor(budget / 2);
  if (shorter <= half) return first <= second ? [first, budget - first] : [budget - second, second];
  return [half, budget - half];
}
