import { checkForward, type ForwardRequest } from "./forward-request.js";
import { type Limit, peakMacsPerSecond } from "./operator-cost.js";
import { priceForward } from "./price-forward.js";
import { totalBytes } from "./traffic.js";

/** The roof of a machine and the operators of one forward pass under it, ready to draw. */
export interface Roofline {
  /** Height of the flat part, at this pass's number of tokens. */
  readonly peakMacsPerSecond: number;
  /** Slope of the rising part. */
  readonly bandwidthBytesPerSecond: number;
  /** Where the parts meet. */
  readonly ridgeMacsPerByte: number;
  readonly points: readonly RooflinePoint[];
}

/** One operator. */
export interface RooflinePoint {
  readonly name: string;
  /** Bits per weight, where there are weights. */
  readonly bits: number | undefined;
  /** Blocks that have it. */
  readonly blocks: number;
  /** Operational intensity; `Infinity` for an operator without traffic. */
  readonly macsPerByte: number;
  /** Multiply-accumulates ÷ time in the pass. */
  readonly macsPerSecond: number;
  /** The roof above this intensity. */
  readonly roofMacsPerSecond: number;
  readonly limit: Limit;
}

/** Roofline of one forward pass. Operators that multiply nothing have no place on it and are left out. */
export function rooflinePoints(request: ForwardRequest): Roofline {
  const { hardware, tokens, batch, phase } = checkForward(request);
  const cost = priceForward(request);
  const peak = peakMacsPerSecond(hardware, phase === "prefill" || tokens > 1 ? tokens * batch : batch);
  const bandwidth = hardware.bandwidthBytesPerSecond * hardware.weightBandwidthEfficiency;
  return {
    peakMacsPerSecond: peak,
    bandwidthBytesPerSecond: bandwidth,
    ridgeMacsPerByte: peak / bandwidth,
    points: cost.operators
      .filter(({ work }) => work.macs > 0)
      .map(({ work, seconds, limit }): RooflinePoint => {
        const macsPerByte = work.macs / totalBytes(work.traffic);
        return {
          name: work.name,
          bits: work.bits,
          blocks: work.blocks,
          macsPerByte,
          macsPerSecond: seconds === 0 ? Number.POSITIVE_INFINITY : (work.blocks * work.macs) / seconds,
          roofMacsPerSecond: Math.min(peak, macsPerByte * bandwidth),
          limit,
        };
      }),
  };
}
