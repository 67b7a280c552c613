import { FLIGHTLLM_PROFILE } from "./cost-profile.js";
import { FLIGHTLLM_VHK158 } from "./hardware-presets.js";
import { modelShapes } from "./model-shapes.js";
import { priceForward } from "./price-forward.js";
import { priceGeneration } from "./price-generation.js";
import { PUBLISHED_FLIGHTLLM } from "./published-results.js";
import { uniformTrace } from "./traces.js";

/** One output of FlightLLM's simulator beside ours. */
export interface FlightLlmRow {
  /** "decode step at 144 cached tokens" … */
  readonly quantity: string;
  readonly milliseconds: number;
  readonly publishedMilliseconds: number;
  /** Ours ÷ published − 1. */
  readonly relativeError: number;
}

/** FlightLLM's published simulator outputs beside those of our model of the same machine. */
export function flightLlmComparison(): readonly FlightLlmRow[] {
  const { model: name, weightBits, decodeSteps, prefills, generations } = PUBLISHED_FLIGHTLLM;
  const common = { hardware: FLIGHTLLM_VHK158, profile: FLIGHTLLM_PROFILE, model: modelShapes.get(name)! };
  return [
    ...decodeSteps.map(({ contextTokens, milliseconds }) =>
      row(
        `decode step at ${contextTokens} cached tokens`,
        priceForward({ ...common, precision: weightBits, contextTokens }).seconds,
        milliseconds,
      ),
    ),
    ...prefills.map(({ promptTokens, milliseconds }) =>
      row(
        `prefill of ${promptTokens} tokens`,
        priceForward({ ...common, precision: weightBits, phase: "prefill", tokens: promptTokens }).seconds,
        milliseconds,
      ),
    ),
    ...generations.map(({ promptTokens, newTokens, milliseconds }) =>
      row(
        `${promptTokens} tokens in, ${newTokens} out`,
        priceGeneration({ ...common, trace: uniformTrace({ promptTokens, newTokens }, weightBits) }).seconds,
        milliseconds,
      ),
    ),
  ];
}

function row(quantity: string, seconds: number, publishedMilliseconds: number): FlightLlmRow {
  const milliseconds = seconds * 1e3;
  return { quantity, milliseconds, publishedMilliseconds, relativeError: milliseconds / publishedMilliseconds - 1 };
}
