import { InvalidArgumentError, type SamplingOptions } from "@stepdown/core";

/** Sampling options with every default filled in. */
export type CompleteSamplingOptions = Required<SamplingOptions>;

/** Fills in defaults; throws `InvalidArgumentError` naming the option whose value can never work. */
export function checkSamplingOptions(options: SamplingOptions = {}): CompleteSamplingOptions {
  const complete: CompleteSamplingOptions = {
    temperature: options.temperature ?? 0,
    topK: options.topK ?? Number.POSITIVE_INFINITY,
    topP: options.topP ?? 1,
    minP: options.minP ?? 0,
    repetitionPenalty: options.repetitionPenalty ?? 1,
    presencePenalty: options.presencePenalty ?? 0,
    frequencyPenalty: options.frequencyPenalty ?? 0,
    logitBias: options.logitBias ?? new Map(),
    seed: options.seed ?? 0,
  };
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = complete;
  demand(isNumber(temperature) && temperature >= 0, "temperature", temperature, "a finite number, 0 or more");
  const topKWorks = topK === Number.POSITIVE_INFINITY || (Number.isInteger(topK) && topK >= 1);
  demand(topKWorks, "topK", topK, "an integer of 1 or more");
  demand(isNumber(topP) && topP > 0 && topP <= 1, "topP", topP, "above 0 and at most 1");
  demand(isNumber(minP) && minP >= 0 && minP <= 1, "minP", minP, "from 0 to 1");
  demand(isNumber(repetitionPenalty) && repetitionPenalty > 0, "repetitionPenalty", repetitionPenalty, "above 0");
  for (const name of ["presencePenalty", "frequencyPenalty"] as const) {
    demand(isNumber(complete[name]), name, complete[name], "a finite number");
  }
  const seedWorks = Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32;
  demand(seedWorks, "seed", seed, "an integer from 0 to 4294967295");
  for (const [id, bias] of complete.logitBias) {
    demand(Number.isInteger(id) && id >= 0, "logitBias", id, "token ids: integers of 0 or more");
    const biasWorks = isNumber(bias) || bias === Number.NEGATIVE_INFINITY;
    demand(biasWorks, `logitBias of token ${id}`, bias, "a finite number, or −Infinity to forbid the token");
  }
  return complete;
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value);
}

function demand(works: boolean, option: string, found: unknown, allowed: string): void {
  if (!works) throw new InvalidArgumentError(`Sampling option ${option} is ${String(found)}; allowed: ${allowed}.`);
}
