import type { CostProfile } from "./cost-profile.js";
import type { ArrayUnit, HardwareDescription } from "./hardware-description.js";
import type { MatrixProduct, OperatorWork } from "./operator-work.js";
import { cacheBytes, totalBytes } from "./traffic.js";

/** What keeps something from being faster. */
export type Limit = "memory" | "compute" | "special-functions" | "overhead";

/** Work of one operator with its times on a machine. Times and work are for one block; `seconds` is for all of them. */
export interface OperatorCost {
  readonly work: OperatorWork;
  /** Bytes over bandwidth. */
  readonly memorySeconds: number;
  /** Multiply-accumulates over their rate. */
  readonly computeSeconds: number;
  /** Special functions' time, hidden or not. */
  readonly specialSeconds: number;
  /** What this operator adds to the forward pass, all its blocks together. The seconds of a pass's operators and its overhead add up to the pass. */
  readonly seconds: number;
  /** The largest of the three times. */
  readonly limit: Limit;
}

/** Times of one operator in one block, before anybody decides what overlaps. */
export interface OperatorTimes {
  readonly memorySeconds: number;
  readonly computeSeconds: number;
  readonly specialSeconds: number;
  /** Special functions that nothing can hide. */
  readonly exposedSeconds: number;
  /** What double buffering cannot hide: the smaller of memory and compute time over the number of tiles. */
  readonly fillSeconds: number;
}

/** Times of an operator on a machine. */
export function operatorTimes(work: OperatorWork, hardware: HardwareDescription, profile: CostProfile): OperatorTimes {
  const bytes = totalBytes(work.traffic);
  const cached = cacheBytes(work.traffic);
  const memorySeconds =
    ((bytes - cached) / hardware.weightBandwidthEfficiency + cached / hardware.cacheBandwidthEfficiency) /
    hardware.bandwidthBytesPerSecond;
  const computeSeconds = secondsOfCompute(work, hardware);
  const elementsPerSecond = hardware.frequencyHertz * hardware.specialFunctionLanes;
  // The number of tiles is a real number: rounding it up would make a slightly larger layer faster than a smaller one.
  const tiles = Math.max(1, bytes / tileBytes(hardware));
  return {
    memorySeconds,
    computeSeconds,
    specialSeconds: work.specialElements / elementsPerSecond,
    exposedSeconds: work.exposedSpecialElements / elementsPerSecond,
    fillSeconds: profile.pipelineFill ? Math.min(memorySeconds, computeSeconds) / tiles : 0,
  };
}

/**
 * Largest tile of the double buffer: nobody would fill a huge half before computing, and without a bound a larger buffer
 * would make a machine slower. Half of the smaller preset's buffer.
 */
const LARGEST_TILE_BYTES: number = 256 * 1024;

/** Bytes of a tile of the double buffer. */
export function tileBytes(hardware: HardwareDescription): number {
  return Math.min(hardware.weightBufferBytes / 2, LARGEST_TILE_BYTES);
}

/** The largest of the three times of an operator. */
export function limitOf(times: Pick<OperatorTimes, "memorySeconds" | "computeSeconds" | "specialSeconds">): Limit {
  if (times.specialSeconds > Math.max(times.memorySeconds, times.computeSeconds)) return "special-functions";
  return times.computeSeconds > times.memorySeconds ? "compute" : "memory";
}

/** Peak multiply-accumulates per second, efficiency included; for bit-serial units at 16 bits and more. */
export function peakMacsPerSecond(hardware: HardwareDescription, tokens = 1): number {
  const { compute } = hardware;
  const perCycle = hardware.frequencyHertz * hardware.computeEfficiency;
  switch (compute.kind) {
    case "macs":
      return compute.macsPerCycle * perCycle;
    case "array": {
      const { matrix, vector, cores = 1 } = compute;
      const vectorRate = vector.inputs * vector.outputs;
      return perCycle * cores * Math.max(vectorRate, matrix.inputs * matrix.outputs * Math.min(tokens, matrix.tokens));
    }
    case "bit-serial":
      return compute.denseMacsPerSecond;
  }
}

function secondsOfCompute(work: OperatorWork, hardware: HardwareDescription): number {
  const { compute } = hardware;
  const perSecond = hardware.frequencyHertz * hardware.computeEfficiency;
  switch (compute.kind) {
    case "macs":
      return work.macs / (compute.macsPerCycle * perSecond);
    case "array":
      return work.products.reduce((cycles, product) => cycles + productCycles(product, compute), 0) / perSecond;
    case "bit-serial":
      return work.planeWeights > 0
        ? work.planeWeights / (compute.planeWeightsPerSecond * hardware.computeEfficiency)
        : work.macs / (compute.denseMacsPerSecond * hardware.computeEfficiency);
  }
}

/**
 * Cycles of some equal products. One product on one core: `ceil(t/pM)·ceil(K/pK)·ceil(N/pN)` in matrix mode, or t times
 * `ceil(K/pK)·ceil(N/pN)` in vector mode, the fewer. Cores share the outputs of each product, or take whole products.
 */
function productCycles(product: MatrixProduct, unit: ArrayUnit): number {
  const cores = unit.cores ?? 1;
  const { tokens, inputs, times } = product;
  const onOneCore = (outputs: number): number => {
    const matrix =
      Math.ceil(tokens / unit.matrix.tokens) *
      Math.ceil(inputs / unit.matrix.inputs) *
      Math.ceil(outputs / unit.matrix.outputs);
    const vector = tokens * Math.ceil(inputs / unit.vector.inputs) * Math.ceil(outputs / unit.vector.outputs);
    return Math.min(matrix, vector);
  };
  const shared = times * onOneCore(product.outputs / cores);
  const whole = Math.ceil(times / cores) * onOneCore(product.outputs);
  return Math.min(shared, whole);
}
