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

/** What a step moves and looks up. */
export interface StepVolume {
  readonly bytes: number;
  readonly planeWeights: number;
}

/** Charges for measured machines: all traffic, perfect overlap, arithmetic of planes; a machine's other costs are its overhead. */
export const MEASURED_PROFILE: CostProfile = {
  ...PHYSICAL_PROFILE,
  name: "measured",
  overlap: "perfect",
  pipelineFill: false,
  specialFunctions: false,
};

/** A machine with given rates, in the form that measurements determine. */
export function measuredHardware(
  name: string,
  storage: MeasuredStorage,
  rates: {
    readonly bandwidthBytesPerSecond: number;
    readonly planeWeightsPerSecond: number;
    readonly stepOverheadSeconds: number;
  },
): HardwareDescription {
  return createHardware({
    name,
    compute: {
      kind: "bit-serial",
      planeWeightsPerSecond: rates.planeWeightsPerSecond,
      denseMacsPerSecond: Number.POSITIVE_INFINITY,
    },
    bandwidthBytesPerSecond: rates.bandwidthBytesPerSecond,
    stepOverheadSeconds: rates.stepOverheadSeconds,
    headBits: storage.headBits,
    keyValueBits: storage.keyValueBits,
    weightBufferBytes: Number.POSITIVE_INFINITY,
    activationBufferBytes: Number.POSITIVE_INFINITY,
    specialFunctionLanes: Number.POSITIVE_INFINITY,
  });
}

/** Counts what a step moves and looks up; the same count that pricing uses. */
export function volumeOf(step: DecodeStepDescription, storage: MeasuredStorage): StepVolume {
  const limitless = { bandwidthBytesPerSecond: 1, planeWeightsPerSecond: 1, stepOverheadSeconds: 0 };
  const works = forwardWork(
    checkForward({
      hardware: measuredHardware("volume", storage, limitless),
      profile: MEASURED_PROFILE,
      codec: storage.codec,
      model: step.model,
      precision: step.precision,
      contextTokens: step.contextTokens ?? 0,
      batch: step.batch ?? 1,
    }),
  );
  let bytes = 0;
  let planeWeights = 0;
  for (const work of works) {
    bytes += work.blocks * totalBytes(work.traffic);
    planeWeights += work.blocks * work.planeWeights;
  }
  return { bytes, planeWeights };
}

/** Checks a measurement's own value; its step is checked where it is counted. */
export function checkMilliseconds(index: number, measurement: DecodeMeasurement): void {
  checkFinitePositive(`measurements[${index}].milliseconds`, measurement?.milliseconds);
}
