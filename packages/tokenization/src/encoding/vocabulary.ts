import { InvalidFileError } from "@stepdown/core";
import { MAXIMUM_TOKEN_LENGTH, MAXIMUM_VOCABULARY_SIZE } from "../limits.js";
import { asIndex, asList, asObject, asString } from "../untrusted.js";
import type { AddedToken } from "./added-token.js";

/** Token strings and ids, of the model and of the added tokens together. */
export interface Vocabulary {
  /** Largest id plus one. */
  readonly size: number;
  /** Id of a token's string; added tokens come before the model's. */
  idOf(token: string): number | undefined;
  /** String of an id. */
  tokenOf(id: number): string | undefined;
}

/** Entries of a model's `vocab`: an object of ids (BPE, WordPiece) or a list of [token, score] (Unigram). */
export function parseModelVocabulary(value: unknown): Map<string, number> {
  const place = "model.vocab";
  const entries: (readonly [string, number])[] = Array.isArray(value)
    ? asList(value, place).map((entry, id) => [asString(asList(entry, `${place}[${id}]`)[0], `${place}[${id}][0]`), id])
    : Object.entries(asObject(value, place)).map(([token, id]) => [
        token,
        asIndex(id, `${place}[${JSON.stringify(token.slice(0, 40))}]`, MAXIMUM_VOCABULARY_SIZE),
      ]);
  if (entries.length > MAXIMUM_VOCABULARY_SIZE) {
    throw new InvalidFileError(
      `${place} has ${entries.length} tokens, more than the ${MAXIMUM_VOCABULARY_SIZE} allowed.`,
    );
  }
  for (const [token] of entries) {
    if (token.length > MAXIMUM_TOKEN_LENGTH) {
      throw new InvalidFileError(
        `${place} has a token of ${token.length} characters; at most ${MAXIMUM_TOKEN_LENGTH} are allowed.`,
      );
    }
  }
  return new Map(entries);
}

/** Joins the model's vocabulary and the added tokens. */
export function createVocabulary(model: ReadonlyMap<string, number>, addedTokens: readonly AddedToken[]): Vocabulary {
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of model) tokens[id] = token;
  for (const { content, id } of addedTokens) tokens[id] = content;
  const addedIds = new Map(addedTokens.map((token) => [token.content, token.id]));
  return {
    size: tokens.length,
    idOf: (token) => addedIds.get(token) ?? model.get(token),
    tokenOf: (id) => tokens[id],
  };
}
