import { InvalidArgumentError, type KeyValueCacheShape } from "@stepdown/core";

/** Throws unless every named value is a whole number of at least `least`. */
export function requireWhole(values: Readonly<Record<string, number>>, least: number, what: string): void {
  for (const [name, value] of Object.entries(values))
    if (!Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(
        `${what}: ${name} must be a whole number of at least ${least}, got ${String(value)}.`,
      );
}

/** Throws unless every named value is a finite number. */
export function requireFinite(values: Readonly<Record<string, number>>, what: string): void {
  for (const [name, value] of Object.entries(values))
    if (!Number.isFinite(value))
      throw new InvalidArgumentError(`${what}: ${name} must be finite, got ${String(value)}.`);
}

/** Throws unless a call carries between 1 and `maximum` tokens. */
export function requireTokens(tokens: number, maximum: number, what: string): void {
  requireWhole({ tokens }, 1, what);
  if (tokens > maximum)
    throw new InvalidArgumentError(
      `${what}: ${tokens} tokens in one call, at most ${maximum} are possible. Split the call into chunks.`,
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
  requireWhole({ block, from, to }, 0, what);
  if (block >= shape.blocks)
    throw new InvalidArgumentError(`${what}: block ${block} was asked for, the cache has ${shape.blocks}.`);
  if (from > to || to > shape.capacity)
    throw new InvalidArgumentError(
      `${what}: positions ${from} to ${to} were asked for, the cache has room for ${shape.capacity}.`,
    );
}
