/**
 * Text to ids, in the reference library's order: added tokens are cut out of the raw text, the rest is normalized, added
 * tokens marked `normalized` are cut out of that, the rest is cut into words, each word is encoded.
 */
import type { AddedToken } from "./added-token.js";
import { createAddedTokenSplitter } from "./added-token-splitter.js";
import type { EncodeWord } from "./encode-word.js";
import type { Normalize } from "./normalizer.js";
import type { PreTokenizer } from "./pre-tokenizer.js";
import { withWordCache } from "./word-cache.js";

/** The parts an encoder is made of. */
export interface TextEncoderParts {
  readonly addedTokens: readonly AddedToken[];
  readonly normalize: Normalize | undefined;
  readonly preTokenizer: PreTokenizer;
  readonly encodeWord: EncodeWord;
}

/** Ids of a text, nothing added. With `specialTokensAsText` the strings of special tokens are read as plain text. */
export type EncodeText = (text: string, specialTokensAsText: boolean) => number[];

/** Puts the parts together. */
export function createTextEncoder({ addedTokens, normalize, preTokenizer, encodeWord }: TextEncoderParts): EncodeText {
  const inNormalized = (token: AddedToken): boolean => token.normalized && normalize !== undefined;
  const rawSplitter = createAddedTokenSplitter(
    addedTokens.filter((token) => !inNormalized(token)).map((token) => [token.content, token]),
  );
  const normalizedSplitter = createAddedTokenSplitter(
    addedTokens.filter(inNormalized).map((token) => [normalize!(token.content), token]),
  );
  const encodeCached = withWordCache((word) => encodeWord(preTokenizer.spell(word)));
  const isSpecial = (token: AddedToken): boolean => token.special;

  return (text, specialTokensAsText) => {
    const skip = specialTokensAsText ? isSpecial : undefined;
    const ids: number[] = [];
    for (const section of rawSplitter.split(text, skip)) {
      if ("id" in section) {
        ids.push(section.id);
        continue;
      }
      const normalized = normalize === undefined ? section.text : normalize(section.text);
      for (const part of normalizedSplitter.split(normalized, skip)) {
        if ("id" in part) {
          ids.push(part.id);
          continue;
        }
        for (const word of preTokenizer.split(part.text, section.start === 0 && part.start === 0)) {
          for (const id of encodeCached(word)) ids.push(id);
        }
      }
    }
    return ids;
  };
}
