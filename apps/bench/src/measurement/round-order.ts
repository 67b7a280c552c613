/**
 * The order of variants within one round. Each round begins with the next variant, and every other cycle runs backwards,
 * so that no variant always comes first, or always after the same other one.
 */
export function roundOrder(variants: number, round: number): number[] {
  const order = Array.from({ length: variants }, (_, index) => (index + round) % variants);
  return Math.floor(round / variants) % 2 === 1 ? order.reverse() : order;
}
