/**
 * What the names in `tokenizer.ggml.pre` mean: patterns applied one after the other, each splitting what the one before
 * left, matched and unmatched text both becoming words. Facts of the models' own tokenizer files and of the GGUF format.
 */
import { UnsupportedError } from "@stepdown/core";
import { GPT2_PATTERN } from "../encoding/pre-tokenizer.js";

/** How a named pre-tokenizer splits, and what else its name stands for. */
export interface NamedPreTokenizer {
  readonly patterns: readonly string[];
  /** Words that are tokens are taken whole, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Whether the start token is added where the file does not say. */
  readonly addsStart: boolean;
}

const contractions = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const symbolsAndSpace = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/** GPT-4's splitting: any contraction, words with any one sign before them, numbers by `digits`, line ends apart. */
const gpt4 = (digits: string): string => `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}|${symbolsAndSpace}`;

const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
/** Splits words also where lower case turns to upper; `end` is what may follow a word. */
const cased = (end: string, digits: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${end}|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${end}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const signs = "[\\p{P}\\$\\+<=>\\^~\\|`]+";
const ideographs = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
const bloom = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+";

const plain = (...patterns: string[]): NamedPreTokenizer => ({ patterns, ignoreMerges: false, addsStart: false });
const gpt2 = plain(GPT2_PATTERN);
const digitsApart = plain("\\p{N}", GPT2_PATTERN);
const gpt4Triples = plain(gpt4("\\p{N}{1,3}"));
const gpt4Digits = plain(gpt4("\\p{N}"));
const llama3: NamedPreTokenizer = { ...gpt4Triples, ignoreMerges: true, addsStart: true };
const deepseek3 = plain(
  "\\p{N}{1,3}",
  "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
);

const named: ReadonlyMap<string, NamedPreTokenizer> = new Map(
  Object.entries({
    default: plain("[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_PATTERN, "\\p{N}+", "[0-9][0-9][0-9]"),
    ...sharing(gpt2, "gpt-2", "phi-2", "mpt", "olmo", "jina-es", "jina-de", "gigachat", "a.x-4.0", "mellum"),
    ...sharing(digitsApart, "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"),
    ...sharing(llama3, "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
    ...sharing(gpt4Triples, "dbrx", "smaug-bpe", "chatglm-bpe", "glm4"),
    ...sharing(gpt4Digits, "qwen2", "stablelm2", "deepseek-r1-qwen", "megrez", "hunyuan"),
    ...sharing(deepseek3, "deepseek-v3", "hunyuan-dense"),
    ...sharing(plain(bloom), "bloom", "poro-chat", "gpt3-finnish"),
    viking: plain(bloom, "\\p{N}"),
    falcon: plain(signs, GPT2_PATTERN, "[0-9][0-9][0-9]"),
    "deepseek-coder": plain("[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", ideographs, "\\p{N}"),
    tekken: { patterns: [cased("", "\\p{N}")], ignoreMerges: true, addsStart: true },
    ...sharing(plain(cased("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "\\p{N}{1,3}")), "gpt-4o", "llama4"),
  }),
);

/** The pre-tokenizer of a name, or `UnsupportedError` listing the known ones. */
export function preTokenizerNamed(name: string): NamedPreTokenizer {
  const found = named.get(name);
  if (found !== undefined) return found;
  throw new UnsupportedError(
    `The GGUF file names the pre-tokenizer ${JSON.stringify(name.slice(0, 40))}, which is not known. Put the model's tokenizer.json beside the file; known names: ${[...named.keys()].join(", ")}.`,
  );
}

function sharing(definition: NamedPreTokenizer, ...names: string[]): Record<string, NamedPreTokenizer> {
  return Object.fromEntries(names.map((name) => [name, definition]));
}
