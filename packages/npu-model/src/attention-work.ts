import type { CostProfile } from "./cost-profile.js";
import type { HardwareDescription } from "./hardware-description.js";
import type { ModelShape } from "./model-shape.js";
import type { OperatorWork } from "./operator-work.js";
import { NO_TRAFFIC } from "./traffic.js";

/** Softmax goes over a row twice: once for maximum and sum, once for the output (FlightLLM's two-phase operations). */
const SOFTMAX_PASSES = 2;

/** Attention of one block over some new tokens of each sequence. */
export interface AttentionCall {
  readonly model: ModelShape;
  readonly blocks: number;
  /** New tokens per sequence, t. */
  readonly tokens: number;
  /** Cached tokens per sequence that these blocks look at, c. */
  readonly context: number;
  /** Positions these blocks look back at most; `Infinity` without a sliding window. */
  readonly window: number;
  /** Sequences. */
  readonly batch: number;
  readonly phase: "prefill" | "decode";
  readonly keyValueBits: number;
  readonly hardware: HardwareDescription;
  readonly profile: CostProfile;
}

/**
 * Work of attention: scores, softmax and weighted values of t new tokens over c cached ones.
 *
 * Pairs of positions: decode t·c (new tokens among themselves are left out, as in the published equations); prefill
 * t·c plus t² (full square) or t·(t + 1)/2 (causal). MACs = 2 · heads · D · pairs. Bytes use the key/value heads,
 * MACs the query heads, so grouped-query models read less for the same arithmetic.
 */
export function attentionWork(call: AttentionCall): OperatorWork {
  const { model, tokens, context, batch } = call;
  const own = call.phase === "decode" ? 0 : ownPairs(call);
  const pairs = tokens * context + own;
  const valueBytes = call.keyValueBits / 8;
  const perToken = 2 * model.keyValueHeads * model.headDimension;
  const group = model.heads / model.keyValueHeads;
  const spill = call.phase === "prefill" && call.profile.prefillActivations ? prefillSpill(call) : NO_SPILL;
  const macs = 2 * model.heads * model.headDimension * pairs * batch;
  // Query heads that share keys are rows of one product; `span` is the mean number of positions a token looks at.
  const span = pairs / tokens;
  const times = model.keyValueHeads * batch;
  const softmax = call.profile.specialFunctions ? SOFTMAX_PASSES * model.heads * pairs * batch : 0;
  return {
    name: "attention",
    kind: "attention",
    blocks: call.blocks,
    bits: undefined,
    traffic: {
      ...NO_TRAFFIC,
      cacheReads: perToken * valueBytes * batch * (context + spill.ownReads * tokens),
      cacheWrites: call.profile.cacheWrites ? perToken * valueBytes * batch * tokens : 0,
      activations: spill.activationBytes * batch,
    },
    macs,
    products:
      pairs === 0
        ? []
        : [
            { tokens: tokens * group, inputs: model.headDimension, outputs: span, times },
            { tokens: tokens * group, inputs: span, outputs: model.headDimension, times },
          ],
    planeWeights: 0,
    specialElements: softmax,
    exposedSpecialElements: call.profile.specialFunctions && pairs > 0 ? SOFTMAX_PASSES * span : 0,
    loopOrder: undefined,
  };
}

const NO_SPILL = { ownReads: 0, activationBytes: 0 };

/**
 * What a prompt's attention moves when queries, keys and values of the prompt do not stay on chip: queries in and
 * outputs out once; own keys and values once per key/value head if a head's keys and values fill at most half of the
 * activation buffer, otherwise once per chunk of queries that fits in that half.
 */
function prefillSpill(call: AttentionCall): { ownReads: number; activationBytes: number } {
  const { model, tokens, hardware } = call;
  const activation = hardware.activationBits / 8;
  const queries = tokens * model.heads * model.headDimension * activation;
  const keysAndValues = 2 * tokens * model.keyValueHeads * model.headDimension * activation;
  if (2 * queries + keysAndValues <= hardware.activationBufferBytes) return NO_SPILL;
  const half = hardware.activationBufferBytes / 2;
  const fits = keysAndValues / model.keyValueHeads <= half;
  return {
    ownReads: fits ? 1 : Math.ceil(queries / model.keyValueHeads / half),
    activationBytes: 2 * queries,
  };
}

/** Pairs among the prompt's own tokens; a sliding window narrower than the prompt bounds them. */
function ownPairs(call: AttentionCall): number {
  const { tokens, window } = call;
  if (call.profile.prefillAttention === "full-square") return tokens * tokens;
  if (tokens <= window) return (tokens * (tokens + 1)) / 2;
  return (window * (window + 1)) / 2 + (tokens - window) * window;
}
