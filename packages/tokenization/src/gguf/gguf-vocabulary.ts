/** The vocabulary in GGUF metadata (`tokenizer.ggml.*`), checked and in plain types. Reads names, computes nothing. */
import { InvalidFileError } from "@stepdown/core";
import { MAXIMUM_TOKEN_LENGTH, MAXIMUM_VOCABULARY_SIZE } from "../limits.js";
import { asIndex, asList, asString, type JsonObject, present } from "../untrusted.js";

/** Kinds of tokens in `tokenizer.ggml.token_type`. */
export const tokenKind = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Roles that GGUF metadata gives ids to. The misspelling of "separator" is the format's. */
export type TokenRole = "bos" | "eos" | "unknown" | "separator" | "padding" | "cls" | "mask";

/** What a GGUF file says about its tokenizer. */
export interface GgufVocabulary {
  /** `gpt2`, `llama`, `bert` … */
  readonly model: string;
  /** Name of the pre-tokenizer; `default` where the file names none. */
  readonly preTokenizer: string;
  /** Strings by id. */
  readonly tokens: readonly string[];
  /** Kind of each token. */
  readonly kinds: readonly number[];
  /** Score of each token, where the file has them. */
  readonly scores: readonly number[] | undefined;
  /** Merges "a b", best first, where the file has them. */
  readonly merges: readonly string[] | undefined;
  /** Id of the token with a role. */
  idOf(role: TokenRole): number | undefined;
  /** A yes-or-no setting (`add_bos_token` …), where the file has it. */
  flag(name: string): boolean | undefined;
}

const roleKeys: Readonly<Record<TokenRole, readonly string[]>> = {
  bos: ["bos_token_id"],
  eos: ["eos_token_id"],
  unknown: ["unknown_token_id"],
  separator: ["seperator_token_id", "separator_token_id"],
  padding: ["padding_token_id"],
  cls: ["cls_token_id"],
  mask: ["mask_token_id"],
};

/** Reads and checks the vocabulary of GGUF metadata. */
export function readGgufVocabulary(metadata: JsonObject): GgufVocabulary {
  const get = (name: string): unknown => present(metadata[key(name)]);
  const tokens = asList(get("tokens"), key("tokens")).map((token, id) => {
    const text = asString(token, `${key("tokens")}[${id}]`);
    if (text.length > MAXIMUM_TOKEN_LENGTH) {
      throw new InvalidFileError(
        `${key("tokens")}[${id}] has ${text.length} characters; at most ${MAXIMUM_TOKEN_LENGTH} are allowed.`,
      );
    }
    return text;
  });
  if (tokens.length > MAXIMUM_VOCABULARY_SIZE) {
    throw new InvalidFileError(
      `${key("tokens")} has ${tokens.length} entries, more than the ${MAXIMUM_VOCABULARY_SIZE} allowed.`,
    );
  }
  const numbers = (name: string): number[] | undefined => {
    const value = get(name);
    if (value === undefined) return undefined;
    const list = asList(value, key(name)).map(Number);
    if (list.length !== tokens.length || list.some(Number.isNaN)) {
      throw new InvalidFileError(
        `${key(name)} must have a number for each of the ${tokens.length} tokens, found ${list.length}.`,
      );
    }
    return list;
  };
  const idOf = (role: TokenRole): number | undefined => {
    for (const name of roleKeys[role]) {
      const value = get(name);
      if (value !== undefined) return asIndex(value, key(name), tokens.length);
    }
    return undefined;
  };
  const merges = get("merges");
  const preTokenizer = get("pre");
  return {
    model: asString(get("model"), key("model")),
    preTokenizer: preTokenizer === undefined ? "default" : asString(preTokenizer, key("pre")),
    tokens,
    kinds: numbers("token_type") ?? guessKinds(tokens, idOf),
    scores: numbers("scores"),
    merges:
      merges === undefined
        ? undefined
        : asList(merges, key("merges")).map((merge, rank) => asString(merge, `${key("merges")}[${rank}]`)),
    idOf,
    flag(name) {
      const value = get(name);
      return typeof value === "boolean" ? value : undefined;
    },
  };
}

/** Files of early versions have no kinds: the roles and the spelling of byte tokens tell the ones that matter. */
function guessKinds(tokens: readonly string[], idOf: (role: TokenRole) => number | undefined): number[] {
  const kinds = tokens.map((token) => (/^<0x[0-9A-F]{2}>$/.test(token) ? tokenKind.byte : tokenKind.normal) as number);
  for (const role of ["bos", "eos", "separator", "padding", "cls", "mask"] as const) {
    const id = idOf(role);
    if (id !== undefined) kinds[id] = tokenKind.control;
  }
  const unknown = idOf("unknown");
  if (unknown !== undefined) kinds[unknown] = tokenKind.unknown;
  return kinds;
}

function key(name: string): string {
  return `tokenizer.ggml.${name}`;
}
