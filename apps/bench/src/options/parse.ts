/** Readers of option values; a value that cannot be meant ends in commander's own usage error, exit code 2. */
import { MAXIMUM_NESTED_PRECISION } from "@stepdown/core";
import { InvalidArgumentError } from "commander";

/** A whole number within bounds. */
export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`Expected a whole number, ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** A number within bounds, both included. */
export function number(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`Expected a number, ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** Comma-separated values, each read by `read`, returned without repetition in the order given. */
export function list<T>(read: (text: string) => T): (text: string) => T[] {
  return (text) => [...new Set(text.split(",").map((part) => read(part.trim())))];
}

/** Comma-separated bit-widths. */
export const bitList: (text: string) => number[] = list(integer(1, MAXIMUM_NESTED_PRECISION));

/** One of some words. */
export function oneOf<T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new InvalidArgumentError(`Expected ${choices.join(", ")}; got "${text}".`);
    return found;
  };
}
