import { InvalidFileError } from "@stepdown/core";
import type { GgufDefinition } from "./gguf-definition.js";
import type { GgufVocabulary } from "./gguf-vocabulary.js";
import { preTokenizerNamed } from "./pre-tokenizer-patterns.js";

/** Byte-level BPE (`gpt2`): tokens in the byte alphabet, merges in the file, splitting by name. */
export function bytePairDefinition(vocabulary: GgufVocabulary): GgufDefinition {
  const { tokens, merges } = vocabulary;
  if (merges === undefined) {
    throw new InvalidFileError(
      "The GGUF file has a tokenizer of model gpt2 without tokenizer.ggml.merges. Convert the model again.",
    );
  }
  const { patterns, ignoreMerges, addsStart } = preTokenizerNamed(vocabulary.preTokenizer);
  const splits = patterns.map((pattern) => ({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  }));
  return {
    parts: {
      normalizer: null,
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          ...splits,
          { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
      model: {
        type: "BPE",
        unk_token: null,
        byte_fallback: false,
        fuse_unk: false,
        ignore_merges: ignoreMerges,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: merges.map(splitMerge),
      },
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    },
    start: { role: "bos", byDefault: addsStart },
    end: { role: "eos", byDefault: false },
  };
}

/** The space between the two parts of a merge is the first one that is not the first character. */
function splitMerge(merge: string): [string, string] {
  const space = merge.indexOf(" ", 1);
  return [merge.slice(0, space), merge.slice(space + 1)];
}
