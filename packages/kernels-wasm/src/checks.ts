/** Argument checks that several calls share. Each message names the call, what was asked and what was found. */
import {
  InvalidArgumentError,
  type KeyValueCacheShape,
  type Precision,
  PrecisionUnavailableError,
} from "@stepdown/core";

/** Whether `length` numbers from `offset` on lie inside `available` numbers; both must be whole and not negative. */
export function isWithin(offset: number, length: number, available: number): boolean {
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= available
  );
}

/** Throws unless `value` is a whole number of at least `least`. */
export function requireWhole(value: number, least: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`${what} must be a whole number of at least ${least}, got ${String(value)}.`);
}

/** Throws unless `value` is finite. */
export function requireFinite(value: number, what: string): void {
  if (!Number.isFinite(value)) throw new InvalidArgumentError(`${what} must be a finite number, got ${String(value)}.`);
}

/** Throws unless a call carries between 1 and `maximum` tokens. */
export function requireTokens(tokens: number, maximum: number, what: string): void {
  requireWhole(tokens, 1, `${what}: tokens`);
  if (tokens > maximum)
    throw new InvalidArgumentError(
      `${what}: ${tokens} tokens in one call, the most is ${maximum}. Split the call into chunks.`,
    );
}

/** Throws unless a weight can be read at a precision; an empty list stands for a dense weight. */
export function requirePrecision(precisions: readonly Precision[], precision: Precision, what: string): void {
  if (precisions.length === 0 || precisions.includes(precision)) return;
  throw new PrecisionUnavailableError(
    `${what} was asked for at precision ${String(precision)} and holds ${precisions.join(", ")}. ` +
      "Ask for one of these, or load more planes.",
  );
}

/** Throws unless a block and positions `from … to − 1` lie inside a cache. */
export function requirePositions(
  shape: Required<KeyValueCacheShape>,
  block: number,
  from: number,
  to: number,
  what: string,
): void {
  requireWhole(block, 0, `${what}: block`);
  requireWhole(from, 0, `${what}: first position`);
  requireWhole(to, 0, `${what}: last position`);
  if (block >= shape.blocks)
    throw new InvalidArgumentError(`${what}: block ${block} was asked for, the cache has ${shape.blocks} blocks.`);
  if (from > to || to > shape.capacity)
    throw new InvalidArgumentError(
      `${what}: positions ${from} to ${to} were asked for, the cache has room for ${shape.capacity}.`,
    );
}
