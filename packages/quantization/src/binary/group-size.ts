/**
 * How many columns of a row share their scales. Groups are contiguous, equal and whole: the size divides the columns.
 */
import { InvalidArgumentError } from "@stepdown/core";

/** With scales of one byte smaller groups than usual pay for themselves; 96 divides the widths of many small models. */
const PREFERRED = 96;

/** Below this, scales cost more than a quarter of a bit per plane. */
const SMALLEST = 32;

/** Above this, more columns save little and fit worse. */
const LARGEST = 128;

/** Kernels look four columns up at a time. */
const MULTIPLE = 4;

/**
 * The size to use: `requested`, or else 96 where it divides the columns, or else the largest multiple of 4 from 32 to 128
 * that does, or else the whole row. `name` is for messages.
 */
export function resolveGroupSize(columns: number, requested: number | undefined, name: string): number {
  if (requested !== undefined) {
    const smallest = Math.min(SMALLEST, columns);
    if (Number.isInteger(requested) && requested >= smallest && columns % requested === 0) return requested;
    const possible = Array.from({ length: columns + 1 }, (_, size) => size).filter(
      (size) => size >= smallest && columns % size === 0,
    );
    throw new InvalidArgumentError(
      `groupSize is ${requested}; ${name} has ${columns} columns, which can be cut into groups of ${possible.join(", ")}. Leave it out to let every layer choose.`,
    );
  }
  if (columns % PREFERRED === 0) return PREFERRED;
  for (let size = LARGEST; size >= SMALLEST; size -= MULTIPLE) {
    if (columns % size === 0) return size;
  }
  return columns;
}
