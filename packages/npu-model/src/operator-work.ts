import type { Precision } from "@stepdown/core";
import type { Traffic } from "./traffic.js";

/** Kinds of operators. */
export type OperatorKind = "embedding" | "linear" | "attention" | "special-functions" | "head";

/** Which loop is outside when a prompt's activations do not fit on chip. */
export type LoopOrder = "activations-on-chip" | "weights-outer" | "activations-outer";

/**
 * What one operator of one forward pass has to do, for one block, before anybody says how fast the machine is.
 * Operators that are equal in several blocks appear once, with the number of blocks.
 */
export interface OperatorWork {
  /** "self_attn.q_proj", "attention", "head" … */
  readonly name: string;
  readonly kind: OperatorKind;
  /** How many blocks have this very operator; 1 for head and embedding. */
  readonly blocks: number;
  /** Bits per weight read, where there are weights. */
  readonly bits: Precision | undefined;
  /** Off-chip bytes. */
  readonly traffic: Traffic;
  /** Multiply-accumulates. */
  readonly macs: number;
  /** Matrix products, for units with fixed parallelism. */
  readonly products: readonly MatrixProduct[];
  /** Weights × planes × tokens, for bit-serial units; 0 where weights are dense or absent. */
  readonly planeWeights: number;
  /** Elements through the special function unit, passes counted. */
  readonly specialElements: number;
  /** Of these, elements that nothing can hide: the last vector of a softmax. */
  readonly exposedSpecialElements: number;
  /** For linear layers and the head. */
  readonly loopOrder: LoopOrder | undefined;
}

/** `[tokens][inputs] × [inputs][outputs]`, so many times. */
export interface MatrixProduct {
  readonly tokens: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly times: number;
}
