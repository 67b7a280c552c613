import { InvalidFileError } from "@stepdown/core";
import { excerpt } from "../untrusted.js";

/** What happens to the text that a pattern matches (`behavior` of a Split pre-tokenizer). */
export type SplitBehavior = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";

const behaviors: readonly SplitBehavior[] = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
];

/** Reads a `behavior`; files of older versions write it in lower case. Absent means Isolated. */
export function parseSplitBehavior(value: unknown, place: string): SplitBehavior {
  if (value === undefined || value === null) return "Isolated";
  const wanted = typeof value === "string" ? value.replaceAll("_", "").toLowerCase() : undefined;
  const found = behaviors.find((behavior) => behavior.toLowerCase() === wanted);
  if (found === undefined) {
    throw new InvalidFileError(`${place} is ${excerpt(value)}; known behaviors: ${behaviors.join(", ")}.`);
  }
  return found;
}

/**
 * Splits a text by a global pattern. With `invert` the text between the matches takes the part of the matches. Pieces are
 * never empty.
 */
export function splitText(text: string, pattern: RegExp, behavior: SplitBehavior, invert = false): string[] {
  const pieces: string[] = [];
  let mergeIntoLast = false;
  let lastMatched = false;
  const add = (start: number, end: number, matched: boolean): void => {
    if (start === end) return;
    const piece = text.slice(start, end);
    const previous = pieces.length - 1;
    switch (behavior) {
      case "Removed":
        if (!matched) pieces.push(piece);
        break;
      case "Isolated":
        pieces.push(piece);
        break;
      case "MergedWithPrevious":
        // Only one match joins the piece before it; a match after a match starts a piece of its own.
        if (matched && !lastMatched && previous >= 0) pieces[previous] += piece;
        else pieces.push(piece);
        break;
      case "MergedWithNext":
        if (mergeIntoLast && !matched) pieces[previous] += piece;
        else pieces.push(piece);
        mergeIntoLast = matched;
        break;
      case "Contiguous":
        if (previous >= 0 && matched === lastMatched) pieces[previous] += piece;
        else pieces.push(piece);
        break;
    }
    lastMatched = matched;
  };
  let position = 0;
  for (const match of text.matchAll(pattern)) {
    add(position, match.index, invert);
    add(match.index, match.index + match[0].length, !invert);
    position = match.index + match[0].length;
  }
  add(position, text.length, invert);
  return pieces;
}
