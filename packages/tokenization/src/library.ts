/**
 * The parts of `@huggingface/tokenizers` used here, with types of our own: its declarations import without file
 * extensions, so that under Node's module resolution the names exist at run time but not for the compiler.
 */
import * as library from "@huggingface/tokenizers";

/** A normalizer made of several. */
export interface LibraryNormalizer {
  normalize(text: string): string;
}

/** A pre-tokenizer made of several. */
export interface LibraryPreTokenizer {
  pre_tokenize(text: string, options?: { readonly section_index?: number }): string[];
}

/** A model; called as a function it also joins runs of unknown tokens. */
export interface LibraryModel {
  (words: readonly string[]): string[];
  encode(words: readonly string[]): string[];
}

type Constructor<Instance, Arguments extends unknown[] = [config: unknown]> = new (...options: Arguments) => Instance;

interface LibraryParts {
  readonly SequenceNormalizer: Constructor<LibraryNormalizer>;
  readonly SequencePreTokenizer: Constructor<LibraryPreTokenizer>;
  readonly SplitPreTokenizer: Constructor<{ readonly pattern: RegExp | null }>;
  readonly BPE: Constructor<{ bpe(word: string): string[] }>;
  readonly WordPiece: Constructor<LibraryModel>;
  readonly Unigram: Constructor<LibraryModel, [config: unknown, eosToken: string]>;
}

export const SequenceNormalizer: LibraryParts["SequenceNormalizer"] = (library as unknown as LibraryParts)
  .SequenceNormalizer;
export const SequencePreTokenizer: LibraryParts["SequencePreTokenizer"] = (library as unknown as LibraryParts)
  .SequencePreTokenizer;
export const BPE: LibraryParts["BPE"] = (library as unknown as LibraryParts).BPE;
export const WordPiece: LibraryParts["WordPiece"] = (library as unknown as LibraryParts).WordPiece;
export const Unigram: LibraryParts["Unigram"] = (library as unknown as LibraryParts).Unigram;

/** Used for the expression it compiles, which is the library's translation of the reference's dialect. */
export const SplitPreTokenizer: LibraryParts["SplitPreTokenizer"] = (library as unknown as LibraryParts)
  .SplitPreTokenizer;
