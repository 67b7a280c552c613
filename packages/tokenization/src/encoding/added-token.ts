import { InvalidFileError } from "@stepdown/core";
import { MAXIMUM_ADDED_TOKENS, MAXIMUM_TOKEN_LENGTH, MAXIMUM_VOCABULARY_SIZE } from "../limits.js";
import { asIndex, asList, asObject, asString, present } from "../untrusted.js";

/** A token found in the text as it stands, before the model sees it: start and end marks, role marks, reserved words. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Matches only where no word character touches it. */
  readonly singleWord: boolean;
  /** Swallows white space before it. */
  readonly stripLeft: boolean;
  /** Swallows white space after it. */
  readonly stripRight: boolean;
  /** Searched in the normalized text, in normalized form, instead of the raw text. */
  readonly normalized: boolean;
  /** Left out by `skipSpecialTokens`. */
  readonly special: boolean;
}

/** Reads the `added_tokens` list of a tokenizer.json. */
export function parseAddedTokens(value: unknown): AddedToken[] {
  if (present(value) === undefined) return [];
  const list = asList(value, "added_tokens");
  if (list.length > MAXIMUM_ADDED_TOKENS) {
    throw new InvalidFileError(
      `added_tokens has ${list.length} entries, more than the ${MAXIMUM_ADDED_TOKENS} allowed.`,
    );
  }
  return list.map((entry, index) => {
    const place = `added_tokens[${index}]`;
    const token = asObject(entry, place);
    const content = asString(token.content, `${place}.content`);
    if (content.length > MAXIMUM_TOKEN_LENGTH) {
      throw new InvalidFileError(
        `${place}.content has ${content.length} characters; at most ${MAXIMUM_TOKEN_LENGTH} are allowed.`,
      );
    }
    const special = token.special === true;
    return {
      id: asIndex(token.id, `${place}.id`, MAXIMUM_VOCABULARY_SIZE),
      content,
      singleWord: token.single_word === true,
      stripLeft: token.lstrip === true,
      stripRight: token.rstrip === true,
      normalized: typeof token.normalized === "boolean" ? token.normalized : !special,
      special,
    };
  });
}
