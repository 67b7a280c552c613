/**
 * Byte-pair encoding over the library's merge loop, plus what the reference library does around it: characters that no
 * token has vanish (or become bytes, or the unknown token) before merging, runs of unknown tokens become one.
 */
import { InvalidFileError, UnsupportedError } from "@stepdown/core";
import { BPE } from "../library.js";
import { BOUNDARY_MINIMUM_LENGTH } from "../limits.js";
import { asList, asString, guarded, type JsonObject, present } from "../untrusted.js";
import { type EncodeWord, unknownId } from "./encode-word.js";
import { createMergeBoundaries, type MergeBoundaries } from "./merge-boundaries.js";
import { withWordCache } from "./word-cache.js";

/** Stands for the unknown token until runs of it are joined; no id is negative. */
const UNKNOWN = -1;

/** The BPE model of a tokenizer.json. */
export function createBytePairModel(model: JsonObject, vocabulary: ReadonlyMap<string, number>): EncodeWord {
  if (typeof model.continuing_subword_prefix === "string" && model.continuing_subword_prefix !== "") {
    throw new UnsupportedError(
      "The tokenizer is a BPE model with a continuing_subword_prefix, which is not implemented. Convert it to WordPiece or byte-level BPE.",
    );
  }
  const suffix = typeof model.end_of_word_suffix === "string" ? model.end_of_word_suffix : "";
  const config = {
    ...model,
    merges: parseMerges(model.merges, vocabulary),
    end_of_word_suffix: suffix === "" ? undefined : suffix,
  };
  const library = guarded("model", () => new BPE(config));
  const unknown = unknownId(model.unk_token, vocabulary);
  const fallsBack = model.byte_fallback === true;
  const dropsUnknown = unknown === undefined && !fallsBack && suffix === "";

  const encodePart: EncodeWord = (part) =>
    library.bpe(dropsUnknown ? withoutUnknown(part, vocabulary) : part).flatMap((token) => {
      const id = vocabulary.get(token);
      return id === undefined ? ((fallsBack ? byteIds(token, vocabulary) : undefined) ?? UNKNOWN) : id;
    });
  // A suffix belongs to the end of a word, so words with one must not be cut. Characters that vanish bring their
  // neighbours together, so they vanish before the cut.
  const encodeParts = suffix === "" ? inParts(encodePart, vocabulary, dropsUnknown) : encodePart;
  const encodeWord = dropsUnknown ? encodeParts : namingUnknown(encodeParts, unknown, model.fuse_unk === true);
  if (model.ignore_merges !== true) return encodeWord;
  return (word) => {
    const whole = vocabulary.get(word);
    return whole === undefined ? encodeWord(word) : [whole];
  };
}

/** Cuts long words where nothing can be merged; the table is made when the first long word comes. */
function inParts(encode: EncodeWord, vocabulary: ReadonlyMap<string, number>, dropsUnknown: boolean): EncodeWord {
  const encodeCached = withWordCache(encode);
  let boundaries: MergeBoundaries | undefined;
  return (word) => {
    if (word.length < BOUNDARY_MINIMUM_LENGTH) return encode(word);
    boundaries ??= createMergeBoundaries(vocabulary.keys());
    const ids: number[] = [];
    for (const part of boundaries.cut(dropsUnknown ? withoutUnknown(word, vocabulary) : word)) {
      for (const id of encodeCached(part)) ids.push(id);
    }
    return ids;
  };
}

/** Puts the unknown token's id in, if there is one; with `fuse` a run of unknown parts of a word is one token. */
function namingUnknown(encode: EncodeWord, unknown: number | undefined, fuse: boolean): EncodeWord {
  return (word) =>
    encode(word).flatMap((id, index, ids) => {
      if (id !== UNKNOWN) return id;
      return unknown === undefined || (fuse && ids[index - 1] === UNKNOWN) ? [] : unknown;
    });
}

/** Merges as pairs, best first; both notations of tokenizer.json: "a b" and ["a", "b"]. */
function parseMerges(value: unknown, vocabulary: ReadonlyMap<string, number>): [string, string][] {
  return asList(present(value) ?? [], "model.merges").map((entry, index) => {
    const place = `model.merges[${index}]`;
    const parts = typeof entry === "string" ? entry.split(" ") : asList(entry, place);
    const left = asString(parts[0], place);
    const right = asString(parts[1], place);
    if (parts.length !== 2 || !vocabulary.has(left) || !vocabulary.has(right) || !vocabulary.has(left + right)) {
      throw new InvalidFileError(
        `${place} must join two tokens of model.vocab into a third, found ${JSON.stringify(entry).slice(0, 80)}. Check that the file is complete and unchanged.`,
      );
    }
    return [left, right];
  });
}

function withoutUnknown(word: string, vocabulary: ReadonlyMap<string, number>): string {
  let result = "";
  for (const character of word) if (vocabulary.has(character)) result += character;
  return result;
}

const encoder = new TextEncoder();

/** Ids of the `<0xNN>` tokens of a string's UTF-8 bytes, if the vocabulary has them all. */
function byteIds(token: string, vocabulary: ReadonlyMap<string, number>): number[] | undefined {
  const ids: number[] = [];
  for (const byte of encoder.encode(token)) {
    const id = vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    if (id === undefined) return undefined;
    ids.push(id);
  }
  return ids;
}
