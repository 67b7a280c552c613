import type { Limit, OperatorCost } from "./operator-cost.js";
import type { ForwardCost } from "./price-forward.js";
import { totalBytes } from "./traffic.js";

/** Why one operator takes the time it takes. */
export interface Explanation {
  readonly operator: string;
  readonly seconds: number;
  /** Of the forward pass, 0 … 1. */
  readonly share: number;
  readonly limit: Limit;
  /** For people. */
  readonly sentence: string;
}

/**
 * What limits each operator of a forward pass, in words, the most expensive first; the fixed overhead is the entry
 * "overhead". Operators that take less than `minimumShare` (default 0) of the pass are left out.
 */
export function explainForward(
  cost: ForwardCost,
  options: { readonly minimumShare?: number } = {},
): readonly Explanation[] {
  const minimumShare = options.minimumShare ?? 0;
  const share = (seconds: number): number => (cost.seconds === 0 ? 0 : seconds / cost.seconds);
  const explanations = cost.operators.map((operator): Explanation => {
    const { seconds, limit, work } = operator;
    return {
      operator: work.name,
      seconds,
      share: share(seconds),
      limit,
      sentence: sentenceOf(operator, share(seconds)),
    };
  });
  if (cost.overheadSeconds > 0)
    explanations.push({
      operator: "overhead",
      seconds: cost.overheadSeconds,
      share: share(cost.overheadSeconds),
      limit: "overhead",
      sentence: `overhead: ${duration(cost.overheadSeconds)}, ${percent(share(cost.overheadSeconds))} of the pass, for first tiles, memory latency and fixed costs; neither bandwidth nor MACs shorten it much.`,
    });
  return explanations.filter((entry) => entry.share >= minimumShare).sort((one, other) => other.seconds - one.seconds);
}

/** One sentence on a whole pass. */
export function summarizeForward(cost: ForwardCost): string {
  const what =
    cost.phase === "prefill"
      ? `Prefill of ${cost.tokens} tokens`
      : `A decode pass of ${cost.tokens === 1 ? "one token" : `${cost.tokens} tokens`} at ${Math.round(cost.contextTokens)} cached tokens`;
  return `${what} takes ${duration(cost.seconds)}: memory ${duration(cost.memorySeconds)} for ${bytes(cost.bytes)}, compute ${duration(cost.computeSeconds)} for ${count(cost.macs)} MACs; it is limited by ${phrase(cost.limit)} and uses ${percent(cost.bandwidthUtilization)} of the bandwidth.`;
}

function sentenceOf(cost: OperatorCost, share: number): string {
  const { work, memorySeconds, computeSeconds, specialSeconds } = cost;
  const bits = work.bits === undefined ? "" : ` at ${work.bits} bits`;
  const where = work.blocks === 1 ? "" : ` in ${work.blocks} blocks`;
  const head = `${work.name}${bits}${where}: ${duration(cost.seconds)}, ${percent(share)} of the pass`;
  const memory = duration(work.blocks * memorySeconds);
  const compute = duration(work.blocks * computeSeconds);
  const moved = bytes(work.blocks * totalBytes(work.traffic));
  switch (cost.limit) {
    case "memory":
      return `${head}; limited by memory, ${memory} to move ${moved} against ${compute} of arithmetic. ${remedy(cost)}`;
    case "compute":
      return `${head}; limited by compute, ${compute} for ${count(work.blocks * work.macs)} MACs against ${memory} of memory. More MACs help; fewer bits and more bandwidth do not.`;
    case "special-functions":
      return `${head}; limited by the special function unit, ${duration(work.blocks * specialSeconds)} in all, of which other work of the block may hide a part. More lanes help.`;
    default:
      return `${head}.`;
  }
}

function remedy({ work }: OperatorCost): string {
  const { traffic } = work;
  if (traffic.activations > traffic.weights + traffic.tables)
    return "A larger activation buffer or more bandwidth helps.";
  switch (work.kind) {
    case "attention":
      return "A shorter context, fewer bits per cached value or more bandwidth helps; fewer bits per weight do not.";
    case "head":
      return "Fewer bits for the head or more bandwidth helps; the schedule of the blocks does not.";
    case "linear":
      if (work.loopOrder !== "activations-on-chip")
        return "A larger activation buffer, fewer bits or more bandwidth helps; more MACs do not.";
      return traffic.tables > traffic.weights
        ? "Its tables outweigh its codes: a codec with smaller tables or more bandwidth helps."
        : "Fewer bits or more bandwidth helps; more MACs do not.";
    default:
      return "More bandwidth helps.";
  }
}

function phrase(limit: Limit): string {
  return limit === "special-functions" ? "the special function unit" : limit;
}

function duration(seconds: number): string {
  if (seconds >= 1) return `${seconds.toPrecision(4)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toPrecision(4)} ms`;
  return `${(seconds * 1e6).toPrecision(3)} µs`;
}

function bytes(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toPrecision(4)} GB`;
  if (value >= 1e6) return `${(value / 1e6).toPrecision(4)} MB`;
  return `${(value / 1e3).toPrecision(3)} kB`;
}

function count(value: number): string {
  if (value >= 1e12) return `${(value / 1e12).toPrecision(3)} T`;
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)} G`;
  return `${(value / 1e6).toPrecision(3)} M`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
