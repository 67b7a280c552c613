import type { JsonObject } from "../untrusted.js";
import type { TokenRole } from "./gguf-vocabulary.js";

/** What depends on the kind of model. */
export interface GgufDefinition {
  readonly parts: {
    readonly normalizer: unknown;
    readonly pre_tokenizer: unknown;
    readonly model: JsonObject;
    readonly decoder: unknown;
  };
  /** Role of the token at the start and whether it is added where the file does not say. */
  readonly start: { readonly role: TokenRole; readonly byDefault: boolean };
  /** The same for the end. */
  readonly end: { readonly role: TokenRole; readonly byDefault: boolean };
}
