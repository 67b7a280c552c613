/**
 * SentencePiece BPE (`llama`): pieces with scores, `▁` for spaces, bytes for characters that have no piece.
 *
 * SentencePiece joins the neighbours whose joint piece has the best score. As merges: every way to cut a piece into two
 * pieces, ordered by the score of the whole. Pieces of equal score keep the order of their ids here, while SentencePiece
 * takes the leftmost; in trained vocabularies all scores differ.
 */
import { InvalidFileError } from "@stepdown/core";
import type { GgufDefinition } from "./gguf-definition.js";
import { type GgufVocabulary, tokenKind } from "./gguf-vocabulary.js";

/** Longest piece that is cut into merges, in UTF-16 units; SentencePiece itself stops at 16 characters by default. */
const MAXIMUM_PIECE_LENGTH = 512;

/** The tokenizer.json of a SentencePiece BPE vocabulary. */
export function sentencePieceDefinition(vocabulary: GgufVocabulary): GgufDefinition {
  const { tokens, kinds, idOf, flag } = vocabulary;
  const unknown = idOf("unknown") ?? kinds.indexOf(tokenKind.unknown);
  const addsSpace = flag("add_space_prefix") ?? true;
  const marks = { type: "Replace", pattern: { String: " " }, content: "\u2581" };
  return {
    parts: {
      normalizer: addsSpace
        ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "\u2581" }, marks] }
        : marks,
      pre_tokenizer: null,
      model: {
        type: "BPE",
        unk_token: tokens[unknown] ?? null,
        byte_fallback: true,
        fuse_unk: true,
        ignore_merges: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: mergesFromScores(vocabulary),
      },
      decoder: {
        type: "Sequence",
        decoders: [
          { type: "Replace", pattern: { String: "\u2581" }, content: " " },
          { type: "ByteFallback" },
          { type: "Fuse" },
          ...(addsSpace ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
        ],
      },
    },
    start: { role: "bos", byDefault: true },
    end: { role: "eos", byDefault: false },
  };
}

function mergesFromScores({ tokens, kinds, scores }: GgufVocabulary): [string, string][] {
  if (scores === undefined) {
    throw new InvalidFileError(
      "The GGUF file has a tokenizer of model llama without tokenizer.ggml.scores. Convert the model again.",
    );
  }
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) if (kinds[id] === tokenKind.normal) ids.set(token, id);
  const merges: { pair: [string, string]; score: number; whole: number; left: number }[] = [];
  for (const [token, whole] of ids) {
    if (token.length > MAXIMUM_PIECE_LENGTH) continue;
    for (let cut = 1; cut < token.length; cut += 1) {
      const left = ids.get(token.slice(0, cut));
      if (left === undefined) continue;
      const right = token.slice(cut);
      if (ids.has(right)) merges.push({ pair: [token.slice(0, cut), right], score: scores[whole]!, whole, left });
    }
  }
  merges.sort((a, b) => b.score - a.score || a.whole - b.whole || a.left - b.left);
  return merges.map(({ pair }) => pair);
}
