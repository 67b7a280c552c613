import type { Precision, PrecisionDecision } from "@stepdown/core";
import { checkPositive, refuse } from "./checks.js";
import { type CostRequest, checkCost, checkDecision } from "./forward-request.js";
import type { HardwareDescription } from "./hardware-description.js";
import type { Limit } from "./operator-cost.js";
import { priceForward } from "./price-forward.js";
import { priceGeneration } from "./price-generation.js";
import { uniformTrace, type Workload } from "./traces.js";

/** A grid of machines around one description. Everything not swept stays as in `hardware`. */
export interface SweepRequest extends CostRequest {
  readonly workload: Workload;
  readonly bandwidthsBytesPerSecond: readonly number[];
  /** Multiply-accumulates per cycle; the compute unit becomes an ideal one of this size. */
  readonly macsPerCycle: readonly number[];
  readonly bits: readonly Precision[];
}

/** One machine of the grid at one precision. */
export interface SweepPoint {
  readonly bandwidthBytesPerSecond: number;
  readonly macsPerCycle: number;
  readonly bits: Precision;
  readonly tokensPerSecond: number;
  readonly timeToFirstTokenSeconds: number;
  readonly joulesPerToken: number;
  readonly bandwidthUtilization: number;
  /** What limits a decode step halfway through the answer. */
  readonly decodeLimit: Limit;
}

/** Where memory and compute take equally long, for one bandwidth and precision: a point of the break-even line. */
export interface BreakEvenPoint {
  readonly bandwidthBytesPerSecond: number;
  readonly bits: Precision;
  /** Units with fewer multiply-accumulates per cycle are limited by compute in decode, larger ones by memory. */
  readonly decodeMacsPerCycle: number;
  /** The same for prefill, with the loop order that moves the fewest bytes. */
  readonly prefillMacsPerCycle: number;
}

/** Result of {@link sweepDesigns}. */
export interface DesignSpace {
  readonly points: readonly SweepPoint[];
  readonly breakEven: readonly BreakEvenPoint[];
}

/** Most decode passes (points × tokens) of one sweep; more is a mistake in a range, and would take minutes. */
const MAXIMUM_PASSES = 2_000_000;

/** Prices every combination of bandwidth, size of the compute unit and bits, and finds the break-even lines. */
export function sweepDesigns(request: SweepRequest): DesignSpace {
  const common = checkCost(request);
  const { bandwidthsBytesPerSecond: bandwidths, macsPerCycle: sizes, bits: precisions, workload } = request;
  for (const [key, list] of Object.entries({
    bandwidthsBytesPerSecond: bandwidths,
    macsPerCycle: sizes,
    bits: precisions,
  }))
    if (!Array.isArray(list) || list.length === 0) refuse(key, list, "a list with at least one entry");
  bandwidths.forEach((value, index) => {
    checkPositive(`bandwidthsBytesPerSecond[${index}]`, value);
  });
  sizes.forEach((value, index) => {
    checkPositive(`macsPerCycle[${index}]`, value);
  });
  precisions.forEach((value, index) => {
    checkDecision(`bits[${index}]`, value, common.model);
  });
  const passes = bandwidths.length * sizes.length * precisions.length * workload.newTokens;
  if (passes > MAXIMUM_PASSES)
    refuse("decode passes of the sweep (points × newTokens)", passes, `at most ${MAXIMUM_PASSES}; use a coarser grid`);
  const points = bandwidths.flatMap((bandwidthBytesPerSecond) =>
    sizes.flatMap((macsPerCycle) =>
      precisions.map((bits): SweepPoint => {
        const hardware = machine(common.hardware, bandwidthBytesPerSecond, macsPerCycle);
        const cost = priceGeneration({ ...common, hardware, trace: uniformTrace(workload, bits) });
        return {
          bandwidthBytesPerSecond,
          macsPerCycle,
          bits,
          tokensPerSecond: cost.tokensPerSecond,
          timeToFirstTokenSeconds: cost.timeToFirstTokenSeconds,
          joulesPerToken: cost.joulesPerToken,
          bandwidthUtilization: cost.bandwidthUtilization,
          decodeLimit: cost.steps[Math.floor(cost.steps.length / 2)]!.limit,
        };
      }),
    ),
  );
  const breakEven = bandwidths.flatMap((bandwidthBytesPerSecond) =>
    precisions.map((bits) => {
      const at = { ...common, precision: bits, hardware: machine(common.hardware, bandwidthBytesPerSecond, 1) };
      const contextTokens = workload.promptTokens + workload.newTokens / 2;
      return {
        bandwidthBytesPerSecond,
        bits,
        decodeMacsPerCycle: balance(priceForward({ ...at, contextTokens })),
        prefillMacsPerCycle: balance(priceForward({ ...at, phase: "prefill", tokens: workload.promptTokens })),
      };
    }),
  );
  return { points, breakEven };
}

/** Multiply-accumulates per cycle that make compute as fast as memory in a forward pass; exact, both being proportional. */
export function breakEvenMacsPerCycle(
  request: CostRequest & {
    readonly precision: PrecisionDecision;
    readonly phase?: "prefill" | "decode";
    readonly tokens?: number;
    readonly contextTokens?: number;
  },
): number {
  const { hardware } = checkCost(request);
  return balance(priceForward({ ...request, hardware: machine(hardware, hardware.bandwidthBytesPerSecond, 1) }));
}

function machine(
  base: HardwareDescription,
  bandwidthBytesPerSecond: number,
  macsPerCycle: number,
): HardwareDescription {
  return { ...base, bandwidthBytesPerSecond, compute: { kind: "macs", macsPerCycle } };
}

/** With one multiply-accumulate per cycle compute takes `MACs / frequency`; twice the size takes half the time. */
function balance(cost: { readonly computeSeconds: number; readonly memorySeconds: number }): number {
  return cost.computeSeconds / cost.memorySeconds;
}
