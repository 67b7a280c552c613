import type { Precision } from "@stepdown/core";
import { MAXIMUM_NESTED_PRECISION } from "@stepdown/core";
import { type CodecDescription, weightBytes } from "./codec-traffic.js";
import type { CostProfile } from "./cost-profile.js";
import type { HardwareDescription } from "./hardware-description.js";
import type { BlockLinear } from "./model-shape.js";
import type { LoopOrder, OperatorKind, OperatorWork } from "./operator-work.js";
import { NO_TRAFFIC } from "./traffic.js";

/** Bytes of a bias: half precision. */
const BIAS_BYTES = 2;

/** One linear layer over some tokens. */
export interface LinearCall {
  readonly linear: BlockLinear;
  readonly kind: OperatorKind;
  readonly blocks: number;
  readonly bits: Precision;
  readonly codec: CodecDescription;
  /** Tokens × batch. */
  readonly tokens: number;
  /** In decode activations stay on chip whatever their size. */
  readonly phase: "prefill" | "decode";
  readonly hardware: HardwareDescription;
  readonly profile: CostProfile;
}

/**
 * Work of `y = W x` for some tokens: N·K weights at b bits, t·N·K multiply-accumulates.
 *
 * Sparse weights (density below 1) are stored and read in part, and multiplied as if dense.
 */
export function linearWork(call: LinearCall): OperatorWork {
  const { rows, columns, bias, name } = call.linear;
  const stored = weightBytes(rows, columns, call.bits, call.profile.tables ? call.codec : { codec: "plain" });
  const nested = call.bits <= MAXIMUM_NESTED_PRECISION;
  const planes = stored.planes * (nested ? call.hardware.weightDensity : 1);
  const plan =
    call.phase === "prefill" && call.profile.prefillActivations
      ? chooseLoopOrder(planes + stored.tables, call.tokens, columns, rows, call.hardware)
      : ({ order: "activations-on-chip", weightPasses: 1, activationBytes: 0 } as const);
  const macs = call.tokens * rows * columns;
  return {
    name,
    kind: call.kind,
    blocks: call.blocks,
    bits: call.bits,
    traffic: {
      ...NO_TRAFFIC,
      weights: planes * plan.weightPasses,
      tables: stored.tables * plan.weightPasses,
      vectors: bias && call.profile.vectors ? rows * BIAS_BYTES : 0,
      activations: plan.activationBytes,
    },
    macs,
    products: [{ tokens: call.tokens, inputs: columns, outputs: rows, times: 1 }],
    planeWeights: nested ? macs * call.bits : 0,
    specialElements: 0,
    exposedSpecialElements: 0,
    loopOrder: plan.order,
  };
}

/** A loop order and what it moves. */
export interface LoopPlan {
  readonly order: LoopOrder;
  /** How often the weights are read. */
  readonly weightPasses: number;
  /** Bytes of activations read and written. */
  readonly activationBytes: number;
}

/**
 * The loop order with the least traffic for t tokens through a K → N layer; a = bytes of an activation, A and B = bytes
 * of the activation buffer and of half the weight buffer.
 *
 * - on chip, when t·(K + N)·a ≤ A: weights once, no activation traffic;
 * - activations outside: chunks of `floor(A/(K·a))` tokens, the weights once per chunk, `t·(K + N)·a`;
 * - weights outside: weights once, the activations once per weight tile: `ceil(weights/B)·t·K·a + t·N·a`.
 */
export function chooseLoopOrder(
  weights: number,
  tokens: number,
  columns: number,
  rows: number,
  hardware: Pick<HardwareDescription, "activationBits" | "activationBufferBytes" | "weightBufferBytes">,
): LoopPlan {
  const bytes = hardware.activationBits / 8;
  const input = tokens * columns * bytes;
  const output = tokens * rows * bytes;
  if (input + output <= hardware.activationBufferBytes)
    return { order: "activations-on-chip", weightPasses: 1, activationBytes: 0 };
  const chunk = Math.max(1, Math.floor(hardware.activationBufferBytes / (columns * bytes)));
  const passes = Math.ceil(tokens / chunk);
  const tiles = Math.max(1, Math.ceil(weights / (hardware.weightBufferBytes / 2)));
  const activationsOutside = weights * passes + input + output;
  const weightsOutside = weights + tiles * input + output;
  return activationsOutside <= weightsOutside
    ? { order: "activations-outer", weightPasses: passes, activationBytes: input + output }
    : { order: "weights-outer", weightPasses: 1, activationBytes: tiles * input + output };
}
