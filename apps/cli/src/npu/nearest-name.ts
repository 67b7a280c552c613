/** Finding the name that somebody meant: exact but for case, by its last part, or the nearest for an error message. */
import { InvalidArgumentError } from "@stepdown/core";

/** Longest name that is compared letter by letter; the comparison is quadratic. */
const LONGEST_NAME = 200;

/** A suggestion may differ in this share of its letters; beyond it, it would only confuse. */
const SUGGESTION_SHARE = 0.5;

/** The known name meant by `name`: equal but for case, or equal to the part after the last slash. `undefined`: none. */
export function findName(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  return (
    known.find((candidate) => candidate.toLowerCase() === wanted) ??
    known.find((candidate) => lastPart(candidate).toLowerCase() === wanted)
  );
}

/** The only known name whose last part begins with `name`: `vicuna-7b` for `lmsys/vicuna-7b-v1.5`. */
export function findByBeginning(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  const candidates = known.filter((candidate) => lastPart(candidate).toLowerCase().startsWith(wanted));
  return candidates.length === 1 ? candidates[0] : undefined;
}

/** The nearest known name, or `undefined` where nothing is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase().slice(0, LONGEST_NAME);
  const distances = known.map((candidate) => {
    const full = candidate.toLowerCase();
    // What was only begun is nearer than what was misspelt.
    if (full.startsWith(wanted) || lastPart(full).startsWith(wanted)) return 0;
    return Math.min(editDistance(wanted, full), editDistance(wanted, lastPart(full)));
  });
  const best = Math.min(...distances);
  if (best > SUGGESTION_SHARE * wanted.length) return undefined;
  return known[distances.indexOf(best)];
}

/** The error for a name that is not known; it suggests the nearest and lists all. */
export function unknownName(what: string, name: string, known: readonly string[], also = ""): InvalidArgumentError {
  const near = nearestName(name, known);
  const suggestion = near === undefined ? "" : ` Did you mean ${near}?`;
  return new InvalidArgumentError(
    `There is no ${what} "${name.slice(0, LONGEST_NAME)}".${suggestion} There are: ${known.join(", ")}${also}.`,
  );
}

/** Part after the last slash: `phi-1_5` of `microsoft/phi-1_5`. */
export function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** Fewest insertions, deletions and replacements of one letter (Levenshtein), row by row. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}
