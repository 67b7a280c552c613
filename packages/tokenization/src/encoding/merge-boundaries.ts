/**
 * Where byte-pair merging can never happen, so that long words (texts without a pre-tokenizer) can be cut and remembered.
 *
 * Every merge makes a token of the vocabulary (checked when the merges are read), and that token has the two characters on
 * either side of the seam next to each other. So between two characters that are neighbours in no token nothing is ever
 * merged, and the parts of a word on either side of such a place are encoded independently: the cut changes no id.
 */
export interface MergeBoundaries {
  /** The word cut at every place where no merge can happen. */
  cut(word: string): string[];
}

/** One more than the largest code point, to pack a pair of them into one number below 2^42. */
const CODE_POINTS = 0x110000;

/** Builds the table of neighbours of a vocabulary. */
export function createMergeBoundaries(tokens: Iterable<string>): MergeBoundaries {
  const neighbours = new Set<number>();
  for (const token of tokens) {
    let previous = -1;
    for (const character of token) {
      const code = character.codePointAt(0)!;
      if (previous >= 0) neighbours.add(previous * CODE_POINTS + code);
      previous = code;
    }
  }
  return {
    cut(word) {
      const parts: string[] = [];
      let start = 0;
      let position = 0;
      let previous = -1;
      for (const character of word) {
        const code = character.codePointAt(0)!;
        if (previous >= 0 && !neighbours.has(previous * CODE_POINTS + code)) {
          parts.push(word.slice(start, position));
          start = position;
        }
        previous = code;
        position += character.length;
      }
      parts.push(word.slice(start));
      return parts;
    },
  };
}
