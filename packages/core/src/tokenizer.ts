/** Text to token ids and back. */
export interface Tokenizer {
  /** Largest id plus one. */
  readonly vocabularySize: number;
  /** Whether {@link Tokenizer.applyChatTemplate} can be used. */
  readonly hasChatTemplate: boolean;
  /** Ids the tokenizer's configuration names as end of sequence; may be empty. */
  readonly endOfSequenceIds: readonly number[];
  /** Token ids of a text. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Text of token ids; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** A decoder that takes one id at a time and never gives out half a character. */
  createStreamingDecoder(options?: DecodeOptions): StreamingDecoder;
  /** The id of a token's string, or `undefined`. */
  idOfToken(token: string): number | undefined;
  /** The prompt text for a conversation. Throws `UnsupportedError` without a template, `InvalidArgumentError` when the template refuses. */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string;
}

/** Options of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Add the start and end tokens the tokenizer's post-processor knows. Default `true`. */
  readonly addSpecialTokens?: boolean;
}

/** Options of {@link Tokenizer.decode}. */
export interface DecodeOptions {
  /** Leave special tokens out. Default `false`. */
  readonly skipSpecialTokens?: boolean;
}

/** Turns a stream of ids into a stream of text; the pieces joined equal {@link Tokenizer.decode} of all ids. */
export interface StreamingDecoder {
  /** The text that became certain with this id, possibly empty. */
  push(id: number): string;
  /** The text still owed when the stream ends; an unfinished character becomes U+FFFD. */
  end(): string;
}

/** One turn of a conversation. Templates may read further fields. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly [field: string]: unknown;
}

/** Options of {@link Tokenizer.applyChatTemplate}. */
export interface ChatTemplateOptions {
  /** Append the opening of the assistant's turn. Default `true`. */
  readonly addGenerationPrompt?: boolean;
  /** Tool descriptions for templates that know them. */
  readonly tools?: readonly unknown[];
  /** Further variables of the template. */
  readonly variables?: Readonly<Record<string, unknown>>;
}
