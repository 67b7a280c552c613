import type { PrecisionDecision } from "@stepdown/core";
import type { CostProfile } from "./cost-profile.js";
import { type CheckedForward, checkForward, type ForwardRequest } from "./forward-request.js";
import { forwardWork } from "./forward-work.js";
import type { HardwareDescription } from "./hardware-description.js";
import {
  type Limit,
  limitOf,
  type OperatorCost,
  type OperatorTimes,
  operatorTimes,
  tileBytes,
} from "./operator-cost.js";
import type { OperatorWork } from "./operator-work.js";
import { addTraffic, NO_TRAFFIC, type Traffic, totalBytes } from "./traffic.js";

/** Energy by where it goes. */
export interface Energy {
  readonly memoryJoules: number;
  readonly computeJoules: number;
  readonly idleJoules: number;
  readonly totalJoules: number;
}

/** What one forward pass costs. */
export interface ForwardCost {
  readonly phase: "prefill" | "decode";
  readonly precision: PrecisionDecision;
  /** New tokens per sequence. */
  readonly tokens: number;
  /** Cached tokens per sequence before the pass. */
  readonly contextTokens: number;
  readonly batch: number;
  readonly seconds: number;
  /** All memory time, whether hidden or not. */
  readonly memorySeconds: number;
  /** All compute time, whether hidden or not. */
  readonly computeSeconds: number;
  /** All time of special functions, whether hidden or not. */
  readonly specialSeconds: number;
  /** First tile, memory latency, fixed overhead. */
  readonly overheadSeconds: number;
  readonly traffic: Traffic;
  /** Sum of the traffic. */
  readonly bytes: number;
  readonly macs: number;
  /** Bytes moved ÷ (seconds × peak bandwidth); 0 where bandwidth is unlimited. */
  readonly bandwidthUtilization: number;
  readonly energy: Energy;
  /** What most of the time goes to. */
  readonly limit: Limit;
  readonly operators: readonly OperatorCost[];
}

/** Prices one forward pass: a prompt, a decode step, or a draft to verify. Throws `InvalidArgumentError`. */
export function priceForward(request: ForwardRequest): ForwardCost {
  return priceCheckedForward(checkForward(request));
}

/** As {@link priceForward}, for a request that has been checked. */
export function priceCheckedForward(call: CheckedForward): ForwardCost {
  const { hardware, profile } = call;
  const works = forwardWork(call);
  const times = works.map((work) => operatorTimes(work, hardware, profile));
  const placed =
    profile.overlap === "perfect"
      ? placePerfect(works, times, hardware, profile)
      : placeByLayer(works, times, hardware, profile);
  const operators = works.map((work, index): OperatorCost => {
    const { memorySeconds, computeSeconds, specialSeconds } = times[index]!;
    const seconds = placed.seconds[index]!;
    return { work, memorySeconds, computeSeconds, specialSeconds, seconds, limit: limitOf(times[index]!) };
  });
  const sum = (part: (cost: OperatorCost) => number): number =>
    operators.reduce((total, cost) => total + part(cost), 0);
  const overheadSeconds = placed.overheadSeconds + hardware.stepOverheadSeconds;
  const seconds = sum((cost) => cost.seconds) + overheadSeconds;
  const traffic = works.reduce((total, work) => addTraffic(total, work.traffic, work.blocks), NO_TRAFFIC);
  const bytes = totalBytes(traffic);
  const macs = sum((cost) => cost.work.blocks * cost.work.macs);
  return {
    phase: call.phase,
    precision: call.precision,
    tokens: call.tokens,
    contextTokens: call.contextTokens,
    batch: call.batch,
    seconds,
    memorySeconds: sum((cost) => cost.work.blocks * cost.memorySeconds),
    computeSeconds: sum((cost) => cost.work.blocks * cost.computeSeconds),
    specialSeconds: sum((cost) => cost.work.blocks * cost.specialSeconds),
    overheadSeconds,
    traffic,
    bytes,
    macs,
    bandwidthUtilization: utilization(bytes, seconds, hardware),
    energy: energyOf(bytes, macs, seconds, hardware),
    limit: placed.limit ?? limitOfPass(operators, overheadSeconds),
    operators,
  };
}

/** Fraction of the peak bandwidth that a number of bytes in a time makes use of. */
export function utilization(bytes: number, seconds: number, hardware: HardwareDescription): number {
  return seconds === 0 ? 0 : bytes / (seconds * hardware.bandwidthBytesPerSecond);
}

/** `pJ/byte · bytes + pJ/MAC · MACs + idle power · time`. */
export function energyOf(bytes: number, macs: number, seconds: number, hardware: HardwareDescription): Energy {
  const memoryJoules = bytes * hardware.picojoulesPerByte * 1e-12;
  const computeJoules = macs * hardware.picojoulesPerMac * 1e-12;
  const idleJoules = seconds * hardware.idleWatts;
  return { memoryJoules, computeJoules, idleJoules, totalJoules: memoryJoules + computeJoules + idleJoules };
}

interface Placed {
  /** Per operator, all blocks. */
  readonly seconds: readonly number[];
  readonly overheadSeconds: number;
  /** Where the pass as a whole has one limit; otherwise it follows from the operators. */
  readonly limit?: Limit;
}

/**
 * Weights arrive any time ahead: the pass takes max(all memory, critical path), the critical path being compute and
 * special functions, a softmax hidden behind its own products but for its last vector. Operators share the longer side.
 */
function placePerfect(
  works: readonly OperatorWork[],
  times: readonly OperatorTimes[],
  hardware: HardwareDescription,
  profile: CostProfile,
): Placed {
  const memory = works.map((work, index) => work.blocks * times[index]!.memorySeconds);
  const path = works.map((work, index) => {
    const { computeSeconds, specialSeconds, exposedSeconds } = times[index]!;
    return work.blocks * (Math.max(computeSeconds, specialSeconds) + exposedSeconds);
  });
  const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
  const compute = total(works.map((work, index) => work.blocks * times[index]!.computeSeconds));
  const special = total(works.map((work, index) => work.blocks * times[index]!.specialSeconds));
  let overheadSeconds = 0;
  if (profile.pipelineFill) {
    const first = works.find((work) => work.kind === "linear" || work.kind === "head");
    const tile = first === undefined ? 0 : Math.min(totalBytes(first.traffic), tileBytes(hardware));
    overheadSeconds =
      hardware.memoryLatencySeconds + tile / (hardware.bandwidthBytesPerSecond * hardware.weightBandwidthEfficiency);
  }
  if (total(memory) >= total(path)) return { seconds: memory, overheadSeconds, limit: "memory" };
  return { seconds: path, overheadSeconds, limit: special > compute ? "special-functions" : "compute" };
}

/**
 * Operator by operator: max(memory, compute) plus what double buffering cannot hide, or attention's softmax if longer.
 * The other special functions of a block hide behind the block; what sticks out is charged.
 */
function placeByLayer(
  works: readonly OperatorWork[],
  times: readonly OperatorTimes[],
  hardware: HardwareDescription,
  profile: CostProfile,
): Placed {
  let overheadSeconds = 0;
  let blockSeconds = 0;
  const seconds = works.map((work, index) => {
    const { memorySeconds, computeSeconds, specialSeconds, exposedSeconds, fillSeconds } = times[index]!;
    if (work.kind === "special-functions") {
      const own = Math.max(memorySeconds, specialSeconds - blockSeconds);
      blockSeconds = 0;
      return work.blocks * own;
    }
    const overlapped =
      work.kind === "attention" && !profile.attentionOverlap
        ? memorySeconds + Math.max(computeSeconds, specialSeconds)
        : Math.max(Math.max(memorySeconds, computeSeconds) + fillSeconds, specialSeconds);
    const own = overlapped + exposedSeconds;
    if (memorySeconds > 0 && profile.pipelineFill) overheadSeconds += work.blocks * hardware.memoryLatencySeconds;
    if (work.kind !== "embedding") blockSeconds += own;
    return work.blocks * own;
  });
  return { seconds, overheadSeconds };
}

function limitOfPass(operators: readonly OperatorCost[], overheadSeconds: number): Limit {
  const shares: Record<Limit, number> = { memory: 0, compute: 0, "special-functions": 0, overhead: overheadSeconds };
  for (const cost of operators) shares[cost.limit] += cost.seconds;
  return (Object.keys(shares) as Limit[]).reduce((best, limit) => (shares[limit] > shares[best] ? limit : best));
}
