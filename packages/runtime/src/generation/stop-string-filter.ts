/**
 * Finds stop strings in a stream of text pieces, across piece boundaries, and never lets out text that may still turn
 * into one. Where stop strings overlap, the one that is complete first ends the text (of those, the longest), so that the
 * result does not depend on how the text was cut into pieces.
 */
export interface StopStringFilter {
  /** Takes the next piece; returns the text that may be shown now. After a stop string everything is swallowed. */
  push(piece: string): string;
  /** The text still held back when the stream ends without a stop string. */
  end(): string;
  /** Whether a stop string has been found. */
  readonly stopped: boolean;
}

/** A filter for one stream; the stop strings must not be empty. */
export function createStopStringFilter(stopStrings: readonly string[]): StopStringFilter {
  let held = "";
  let stopped = false;

  return {
    push(piece) {
      if (stopped) return "";
      held += piece;
      const start = firstStop(held, stopStrings);
      if (start !== undefined) {
        const text = held.slice(0, start);
        held = "";
        stopped = true;
        return text;
      }
      const safe = held.length - longestUnfinishedStop(held, stopStrings);
      const text = held.slice(0, safe);
      held = held.slice(safe);
      return text;
    },
    end() {
      const text = held;
      held = "";
      return text;
    },
    get stopped() {
      return stopped;
    },
  };
}

/** Where the stop string that is complete first begins. */
function firstStop(text: string, stopStrings: readonly string[]): number | undefined {
  let best: { start: number; end: number } | undefined;
  for (const stop of stopStrings) {
    const start = text.indexOf(stop);
    if (start < 0) continue;
    const end = start + stop.length;
    if (best === undefined || end < best.end || (end === best.end && start < best.start)) best = { start, end };
  }
  return best?.start;
}

/** Length of the longest end of the text that is the beginning of a stop string. */
function longestUnfinishedStop(text: string, stopStrings: readonly string[]): number {
  let longest = 0;
  for (const stop of stopStrings) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
