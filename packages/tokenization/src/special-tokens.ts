import { MAXIMUM_VOCABULARY_SIZE } from "./limits.js";
import { asIndex, isObject, type JsonObject, present } from "./untrusted.js";

/** Names of the special tokens a tokenizer_config.json gives strings to; chat templates know them by these names. */
const specialTokenNames = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
] as const;

/** Strings of the special tokens by name; in the file each is a string or an object with `content`. */
export function readSpecialTokens(config: JsonObject): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of specialTokenNames) {
    const text = tokenText(config[name]);
    if (text !== undefined) found[name] = text;
  }
  return found;
}

/** Strings of `additional_special_tokens` (in newer files `extra_special_tokens`). */
export function readAdditionalSpecialTokens(config: JsonObject): string[] {
  const list = config.additional_special_tokens ?? config.extra_special_tokens;
  if (!Array.isArray(list)) return [];
  return list.map(tokenText).filter((text) => text !== undefined);
}

/** Where ids of end-of-sequence tokens may be written. */
export interface EndOfSequenceSources {
  readonly generationConfig: JsonObject;
  readonly ggufMetadata: JsonObject;
  readonly eosToken: string | undefined;
  readonly idOf: (token: string) => number | undefined;
}

/** Ids that end a text: of the generation config, of the tokenizer's eos token, of GGUF's eos, eot and eom; each once. */
export function readEndOfSequenceIds({
  generationConfig,
  ggufMetadata,
  eosToken,
  idOf,
}: EndOfSequenceSources): number[] {
  const ids = new Set<number>();
  const add = (value: unknown, place: string): void => {
    if (present(value) !== undefined) ids.add(asIndex(value, place, MAXIMUM_VOCABULARY_SIZE));
  };
  const configured = generationConfig.eos_token_id;
  for (const id of Array.isArray(configured) ? configured : [configured])
    add(id, "generation_config.json: eos_token_id");
  if (eosToken !== undefined) add(idOf(eosToken), "eos_token");
  for (const name of ["eos", "eot", "eom"]) {
    const key = `tokenizer.ggml.${name}_token_id`;
    add(ggufMetadata[key], key);
  }
  return [...ids];
}

function tokenText(value: unknown): string | undefined {
  const text = isObject(value) ? value.content : value;
  return typeof text === "string" ? text : undefined;
}
