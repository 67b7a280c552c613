import type { PrecisionDecision } from "@stepdown/core";
import { checkFinitePositive } from "../checks.js";
import type { CodecDescription } from "../codec-traffic.js";
import { type CostProfile, PHYSICAL_PROFILE } from "../cost-profile.js";
import { createHardware } from "../create-hardware.js";
import { checkForward } from "../forward-request.js";
import { forwardWork } from "../forward-work.js";
import type { HardwareDescription, HeadBits } from "../hardware-description.js";
import type { ModelShape } from "../model-shape.js";
import { totalBytes } from "../traffic.js";

/** What was timed: one decode step. */
export interface DecodeStepDescription {
  readonly model: ModelShape;
  readonly precision: PrecisionDecision;
  /** Cached tokens. Default 0: the timing left attention out. */
  readonly contextTokens?: number;
  /** Sequences in the step. Default 1. */
  readonly batch?: number;
}

/** A decode step and how long it took. */
export interface DecodeMeasurement extends DecodeStepDescription {
  readonly milliseconds: number;
}

/** How the measured runtime stores things. */
export interface MeasuredStorage {
  readonly codec: CodecDescription;
  readonly headBits: HeadBits;
  readonly keyValueBits: number;
}

/** What one operator moves and computes, all its blocks together. */
export interface OperatorVolume {
  readonly bytes: number;
  /** Weights × planes; 0 where there are none. */
  readonly planeWeights: number;
  /** Multiply-accumulates of attention and of weights without planes; 0 elsewhere. */
  readonly denseMacs: number;
}

/** Seconds per unit of each kind of work; 0 for what is free. */
export interface UnitSeconds {
  readonly overhead: number;
  readonly perByte: number;
  readonly perPlaneWeight: number;
  readonly perDenseMac: number;
}

/**
 * Charges for measured machines: all traffic, one operator after the other, each as long as its memory or its arithmetic
 * takes; a machine's other costs are its overhead.
 */
export const MEASURED_PROFILE: CostProfile = {
  ...PHYSICAL_PROFILE,
  name: "measured",
  overlap: "layer",
  pipelineFill: false,
  specialFunctions: false,
};

/** A machine with given unit times, in the form that measurements determine. */
export function measuredHardware(name: string, storage: MeasuredStorage, unit: UnitSeconds): HardwareDescription {
  return createHardware({
    name,
    compute: {
      kind: "bit-serial",
      planeWeightsPerSecond: 1 / unit.perPlaneWeight,
      denseMacsPerSecond: 1 / unit.perDenseMac,
    },
    bandwidthBytesPerSecond: 1 / unit.perByte,
    stepOverheadSeconds: unit.overhead,
    headBits: storage.headBits,
    keyValueBits: storage.keyValueBits,
    weightBufferBytes: Number.POSITIVE_INFINITY,
    activationBufferBytes: Number.POSITIVE_INFINITY,
    specialFunctionLanes: Number.POSITIVE_INFINITY,
  });
}

/** Counts what a step's operators move and compute; the same count that pricing uses. */
export function volumesOf(step: DecodeStepDescription, storage: MeasuredStorage): readonly OperatorVolume[] {
  const works = forwardWork(
    checkForward({
      hardware: measuredHardware("volume", storage, { overhead: 0, perByte: 1, perPlaneWeight: 1, perDenseMac: 1 }),
      profile: MEASURED_PROFILE,
      codec: storage.codec,
      model: step.model,
      precision: step.precision,
      contextTokens: step.contextTokens ?? 0,
      batch: step.batch ?? 1,
    }),
  );
  return works.map(({ blocks, traffic, planeWeights, macs }) => ({
    bytes: blocks * totalBytes(traffic),
    planeWeights: blocks * planeWeights,
    denseMacs: planeWeights > 0 ? 0 : blocks * macs,
  }));
}

/** `overhead + Σ max(memory time, arithmetic time)` over a step's operators. */
export function secondsOf(volumes: readonly OperatorVolume[], unit: UnitSeconds): number {
  return volumes.reduce(
    (total, { bytes, planeWeights, denseMacs }) =>
      total + Math.max(unit.perByte * bytes, unit.perPlaneWeight * planeWeights, unit.perDenseMac * denseMacs),
    unit.overhead,
  );
}

/** Checks a measurement's own value; its step is checked where it is counted. */
export function checkMilliseconds(index: number, measurement: DecodeMeasurement): void {
  checkFinitePositive(`measurements[${index}].milliseconds`, measurement?.milliseconds);
}
