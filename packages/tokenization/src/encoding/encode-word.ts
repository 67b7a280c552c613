import { isObject } from "../untrusted.js";

/** Ids of one word as the pre-tokenizer spells it. */
export type EncodeWord = (word: string) => readonly number[];

/** Id of the unknown token, given as a string or (in some exports) as an object with `content`. */
export function unknownId(value: unknown, vocabulary: ReadonlyMap<string, number>): number | undefined {
  const token = isObject(value) ? value.content : value;
  return typeof token === "string" ? vocabulary.get(token) : undefined;
}
