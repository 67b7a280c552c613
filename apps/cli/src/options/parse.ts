/** Readers of option values; a value that cannot be meant ends in commander's own usage error, exit code 2. */
import { InvalidArgumentError } from "commander";

/** A whole number within bounds. */
export function integer(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < minimum || value > maximum) {
      const range = maximum === Number.MAX_SAFE_INTEGER ? `${minimum} or more` : `${minimum} to ${maximum}`;
      throw new InvalidArgumentError(`Expected a whole number, ${range}.`);
    }
    return value;
  };
}

/** A number within bounds, both included. */
export function number(minimum: number, maximum: number = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= minimum && value <= maximum)) {
      const range = maximum === Number.POSITIVE_INFINITY ? `${minimum} or more` : `${minimum} to ${maximum}`;
      throw new InvalidArgumentError(`Expected a number, ${range}.`);
    }
    return value;
  };
}

/** Comma-separated bit-widths, each 1 to 8, returned without repetition in the order given. */
export function bitList(text: string): number[] {
  return [...new Set(text.split(",").map((part) => integer(1, 8)(part.trim())))];
}

/** Collects a repeatable option. */
export function collect(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}

/** Collects repeatable `key=value` pairs. */
export function collectPairs(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const split = text.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("Expected key=value.");
  return { ...earlier, [text.slice(0, split)]: text.slice(split + 1) };
}
