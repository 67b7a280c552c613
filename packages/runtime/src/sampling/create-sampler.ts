import { InvalidArgumentError, type SamplingOptions } from "@stepdown/core";
import { type CompleteSamplingOptions, checkSamplingOptions } from "./check-sampling-options.js";
import { largestFirst } from "./largest-first.js";
import { checkedMaximum } from "./log-probabilities.js";
import { createRandomGenerator } from "./random-generator.js";

/**
 * Draws tokens from logits. Order of the steps, the customary one: logit bias; repetition, presence and frequency
 * penalties; then greedy choice at temperature 0, or temperature, top-k, top-p, min-p and a draw. Each filter sees the
 * distribution the one before it left, renormalized.
 */
export interface Sampler {
  /** Chooses the next token from raw logits (not changed) and counts it as generated. */
  sample(logits: Float32Array): number;
}

/** Tokens that the repetition penalty takes as seen before the first draw. */
export interface SamplerContext {
  readonly prompt?: readonly number[];
}

/** Candidates first looked at for top-p; most distributions reach their mass within them. */
const FIRST_TOP_P_WINDOW = 64;

/** How much wider the next look is where they do not; keeps the number of passes over the vocabulary small. */
const TOP_P_WINDOW_GROWTH = 8;

/** A sampler for one sequence. */
export function createSampler(options: SamplingOptions = {}, context: SamplerContext = {}): Sampler {
  const settings = checkSamplingOptions(options);
  const random = createRandomGenerator(settings.seed);
  const seen = new Set<number>(context.prompt ?? []);
  const counts = new Map<number, number>();
  // Float64: penalties and temperature must not round twice, and ties must stay ties.
  let scores = new Float64Array(0);

  return {
    sample(logits) {
      if (scores.length !== logits.length) scores = new Float64Array(logits.length);
      scores.set(logits);
      checkedMaximum(scores);
      addBias(scores, settings);
      penalize(scores, settings, seen, counts);
      const maximum = checkedMaximum(scores);
      const id = settings.temperature === 0 ? scores.indexOf(maximum) : draw(scores, maximum, settings, random.next());
      seen.add(id);
      counts.set(id, (counts.get(id) ?? 0) + 1);
      return id;
    },
  };
}

function addBias(scores: Float64Array, settings: CompleteSamplingOptions): void {
  for (const [id, bias] of settings.logitBias) {
    if (id >= scores.length) {
      throw new InvalidArgumentError(`logitBias names token ${id}; the model has tokens 0 to ${scores.length - 1}.`);
    }
    scores[id] = (scores[id] as number) + bias;
  }
}

function penalize(
  scores: Float64Array,
  settings: CompleteSamplingOptions,
  seen: ReadonlySet<number>,
  counts: ReadonlyMap<number, number>,
): void {
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = settings;
  if (repetitionPenalty !== 1) {
    for (const id of seen) {
      const score = scores[id];
      if (score !== undefined) scores[id] = score > 0 ? score / repetitionPenalty : score * repetitionPenalty;
    }
  }
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    for (const [id, count] of counts) scores[id] = (scores[id] as number) - presencePenalty - frequencyPenalty * count;
  }
}

/** One draw; `uniform` is on [0, 1). Weights are exp((score − maximum) / temperature), so the best one weighs 1. */
function draw(scores: Float64Array, maximum: number, settings: CompleteSamplingOptions, uniform: number): number {
  const { temperature, minP } = settings;
  const weightOf = (id: number): number => Math.exp(((scores[id] as number) - maximum) / temperature);
  const kept = keptIds(scores, settings, weightOf);
  const weights = new Float64Array(kept?.length ?? scores.length);
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weightOf(kept === undefined ? i : (kept[i] as number));
    weights[i] = weight >= minP ? weight : 0;
    total += weights[i] as number;
  }
  // Strictly below: a weight of 0 is never drawn. Rounding may leave the target at the total; then the last one is.
  const target = uniform * total;
  let cumulative = 0;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    cumulative += weights[i] as number;
    last = i;
    if (target < cumulative) break;
  }
  return kept === undefined ? last : (kept[last] as number);
}

/** Ids that top-k and top-p leave, best first; `undefined` where neither takes any away. */
function keptIds(
  scores: Float64Array,
  settings: CompleteSamplingOptions,
  weightOf: (id: number) => number,
): number[] | undefined {
  const limited = settings.topK < scores.length;
  let best = limited ? largestFirst(scores, settings.topK) : undefined;
  if (settings.topP >= 1) return best;

  let total = 0;
  if (best === undefined) for (let id = 0; id < scores.length; id++) total += weightOf(id);
  else for (const id of best) total += weightOf(id);
  const wanted = settings.topP * total;
  for (let window = FIRST_TOP_P_WINDOW; ; window *= TOP_P_WINDOW_GROWTH) {
    if (!limited) best = largestFirst(scores, window);
    const candidates = best as number[];
    let mass = 0;
    for (let i = 0; i < candidates.length; i++) {
      mass += weightOf(candidates[i] as number);
      if (mass >= wanted) return candidates.slice(0, i + 1);
    }
    // Summed in another order the mass may miss the wanted one by rounding: then all candidates stay.
    if (limited || window >= scores.length) return candidates;
  }
}
