/**
 * Text to token ids and back, behind the `Tokenizer` contract of `@stepdown/core`: tokenizer.json and GGUF vocabularies,
 * streaming decoding that never gives out half a character, chat templates. It ignores where the files come from (the
 * caller passes parsed texts), training of vocabularies, and character offsets. Read next: `create-tokenizer.ts`, then
 * `encoding/text-encoder.ts` for the order of the steps and `gguf/tokenizer-json-from-gguf.ts` for vocabularies in GGUF.
 */
export * from "./create-tokenizer.js";
export type { FixedLengthEncoding } from "./encoding/fixed-length.js";
export * from "./gguf/tokenizer-json-from-gguf.js";
export * from "./text-tokenizer.js";
