import type { DecodeOptions, EncodeOptions, Tokenizer } from "@stepdown/core";
import type { FixedLengthEncoding } from "./encoding/fixed-length.js";

/** Options of {@link TextTokenizer.encode}. */
export interface TextEncodeOptions extends EncodeOptions {
  /**
   * Read the strings of special tokens inside the text as plain text, so that a user's text cannot open or close a turn.
   * Default `false`, as the texts of chat templates need.
   */
  readonly specialTokensAsText?: boolean;
}

/** Options of {@link TextTokenizer.encodeFixedLength}. */
export interface FixedLengthOptions {
  /** A second text, for models that compare two. */
  readonly pair?: string;
  /** Tokens to cut or pad to, those of the post-processor included. */
  readonly length: number;
}

/** What {@link createTokenizer} gives: the contract of core and what it has no name for. */
export interface TextTokenizer extends Tokenizer {
  encode(text: string, options?: TextEncodeOptions): number[];
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** Inputs of an encoder model (BERT): both texts cut, longest first, and padded to one length. */
  encodeFixedLength(text: string, options: FixedLengthOptions): FixedLengthEncoding;
}
