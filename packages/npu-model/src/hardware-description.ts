import type { Precision } from "@stepdown/core";

/**
 * A machine that need not exist: what the cost model has to know of it, and nothing else. Units are in the names.
 * Rates and buffers may be `Infinity` ("no limit"). Made and checked by `createHardware`.
 */
export interface HardwareDescription {
  /** For people and reports. */
  readonly name: string;
  /** Clock of the compute and special function units. */
  readonly frequencyHertz: number;
  /** What multiplies. */
  readonly compute: ComputeUnit;
  /** Fraction of the peak that the compute unit reaches, above 0, at most 1. */
  readonly computeEfficiency: number;
  /** Peak of the off-chip memory, decimal bytes. */
  readonly bandwidthBytesPerSecond: number;
  /** Fraction of the peak reached when weights and activations stream, above 0, at most 1. */
  readonly weightBandwidthEfficiency: number;
  /** Fraction of the peak reached when cached keys and values are read or written, above 0, at most 1. */
  readonly cacheBandwidthEfficiency: number;
  /** From a request to its first byte; shown once per forward pass, or per operator where nothing is prefetched. */
  readonly memoryLatencySeconds: number;
  /** Both halves of the double buffer that weights stream through. */
  readonly weightBufferBytes: number;
  /** Room for activations; what fits causes no traffic. */
  readonly activationBufferBytes: number;
  /** Elements the special function unit takes per cycle (softmax, norms, activation functions, rotation, residuals). */
  readonly specialFunctionLanes: number;
  /** Bits of the output head's weights; `body`: as many as the decoder blocks; 0: not there at all. */
  readonly headBits: HeadBits;
  /** Bits of a cached key or value. */
  readonly keyValueBits: number;
  /** Bits of an activation, where activations leave the chip. */
  readonly activationBits: number;
  /** Fraction of the nested weights that is stored and read (N:M sparsity), above 0, at most 1. MACs stay dense. */
  readonly weightDensity: number;
  /** Prefill is compiled for multiples of this many tokens. */
  readonly promptRoundingTokens: number;
  /** Attention in decode is compiled for multiples of this many cached tokens. */
  readonly contextRoundingTokens: number;
  /** Fixed cost of every forward pass: dispatch, synchronisation, what nothing else explains. */
  readonly stepOverheadSeconds: number;
  /** Energy of one byte moved off chip, either way. */
  readonly picojoulesPerByte: number;
  /** Energy of one multiply-accumulate, operands from on-chip buffers included. */
  readonly picojoulesPerMac: number;
  /** Power drawn whatever happens. */
  readonly idleWatts: number;
}

/** Bits of the head: a precision, as the body, or 0 for no head. */
export type HeadBits = Precision | 0 | "body";

/** What multiplies, by as much as is known of it. */
export type ComputeUnit = MacUnit | ArrayUnit | BitSerialUnit;

/** A number of multiply-accumulates per cycle, always fully used; the published kind of figure. */
export interface MacUnit {
  readonly kind: "macs";
  readonly macsPerCycle: number;
}

/** Fixed parallelism; a dimension that does not fill its share wastes the rest (every quotient is rounded up). */
export interface ArrayUnit {
  readonly kind: "array";
  /** Equal units side by side: they share a layer's outputs, or attention's heads. Default 1. */
  readonly cores?: number;
  /** Matrix–matrix mode of one core: tokens × inputs × outputs per cycle. */
  readonly matrix: { readonly tokens: number; readonly inputs: number; readonly outputs: number };
  /** Matrix–vector mode of one core, one token: inputs × outputs per cycle. */
  readonly vector: { readonly inputs: number; readonly outputs: number };
}

/** Cost linear in the bits: every plane of every weight is one look-up; attention and dense layers are counted apart. */
export interface BitSerialUnit {
  readonly kind: "bit-serial";
  /** Weights × planes × tokens per second. */
  readonly planeWeightsPerSecond: number;
  /** Multiply-accumulates per second where there are no planes: attention, float weights. */
  readonly denseMacsPerSecond: number;
}
