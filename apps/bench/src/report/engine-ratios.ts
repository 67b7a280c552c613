/** Every variant of our engines against every one of the others in the same case: the comparison that claims rest on. */

import { engineList } from "../engines/engine-list.js";
import { type RatioEstimate, ratioOfMedians } from "../measurement/bootstrap.js";
import type { ResultRow } from "./result-document.js";
import { variantNames } from "./variant-names.js";

/** A table of ratios: above 1, ours is faster. */
export interface EngineRatios {
  readonly others: readonly string[];
  readonly rows: readonly { readonly name: string; readonly ratios: readonly RatioEstimate[] }[];
}

/** The table, or `undefined` where only ours, or none of ours, was measured. */
export function engineRatios(rows: readonly ResultRow[]): EngineRatios | undefined {
  const names = variantNames(rows);
  const named = rows.map((row, index) => ({ row, name: names[index]! }));
  const isOurs = ({ row }: (typeof named)[number]): boolean => Object.hasOwn(engineList, row.engine);
  const ours = named.filter(isOurs);
  const others = named.filter((one) => !isOurs(one));
  if (ours.length === 0 || others.length === 0) return undefined;
  return {
    others: others.map(({ name }) => name),
    rows: ours.map(({ row, name }) => ({
      name,
      ratios: others.map((other) => ratioOfMedians(other.row.samples, row.samples)),
    })),
  };
}
