/**
 * One linear layer with error feedback, the same for both codecs: moments factored once, then ranges of rows.
 */
import type { LinearShape } from "@stepdown/core";
import type { FactoredMoments } from "../feedback/factor-moments.js";
import type { FeedbackPlan } from "../feedback/feedback-plan.js";
import { planOf, type ResolvedEffort, requireMoments } from "../feedback/resolve-effort.js";
import { createRowPool } from "../pool/create-row-pool.js";
import { type LayerOptions, quantizeRanges, type RangePlan } from "./quantize-ranges.js";

/** Weights per range with feedback: some 100 ms of work. */
const WEIGHTS_PER_RANGE = 2 ** 13;

/** Codecs with feedback. */
export type FeedbackCodec = "bcq feedback" | "codebook feedback";

const FAMILY = { "bcq feedback": "bcq", "codebook feedback": "codebook" } as const;

/** What feedback adds to the settings of a codec. */
type Added = FeedbackPlan & { readonly moments: FactoredMoments };

/** How a codec goes about it. */
export interface FeedbackWork<C extends FeedbackCodec> {
  readonly codec: C;
  /** Not `quick`. */
  readonly effort: ResolvedEffort;
  /** What a range has besides its rows and what feedback adds. */
  readonly settings: Omit<RangePlan<C>["settings"], keyof Added>;
  /** Columns of a group of signs, where the codec has groups. */
  readonly groupSize?: number;
  readonly place: RangePlan<C>["place"];
}

/** Quantizes a checked layer; its sensitivity has to be of kind `moments`. */
export async function quantizeWithFeedback<C extends FeedbackCodec>(
  weight: Float32Array,
  shape: LinearShape,
  { codec, effort: { effort, optimizeFor }, settings, groupSize, place }: FeedbackWork<C>,
  options: LayerOptions,
): Promise<void> {
  if (effort === "quick") throw new Error("the effort quick has no feedback");
  const values = requireMoments(options.sensitivity, effort, options.name ?? "the weight");
  const pool = options.pool ?? (await createRowPool());
  try {
    const group = groupSize === undefined ? {} : { groupSize };
    // Copied, because a pool's tasks give their memory away.
    const moments = await pool.quantize("moments", { columns: shape.columns, ...group, moments: values.slice() });
    options.signal?.throwIfAborted();
    const added: Added = { ...planOf(FAMILY[codec], effort, { seedBits: settings.seedBits, optimizeFor }), moments };
    const plan = { codec, settings: { ...settings, ...added }, place, weightsPerRange: WEIGHTS_PER_RANGE };
    const { sensitivity: _, ...rest } = options;
    await quantizeRanges(weight, shape, plan as RangePlan<C>, { ...rest, pool });
  } finally {
    if (options.pool === undefined) await pool[Symbol.asyncDispose]();
  }
}
