/** Options of generation, shared by `generate` and `chat`. */
import type { CacheType, SamplingOptions } from "@stepdown/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import { collect, integer, number } from "./parse.js";
import { addSchedulerOptions, type SchedulerOptions } from "./scheduler.js";
import { threadsOption } from "./threads.js";

/** What the generation options of a command hold. */
export interface GenerationOptions extends SchedulerOptions {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly logitBias?: ReadonlyMap<number, number>;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly cacheType: CacheType;
  readonly threads?: number;
}

/** Largest seed: the sampler's generator takes unsigned 32-bit integers. */
const LARGEST_SEED = 0xffffffff;

/** Adds the generation options to a command. */
export function addGenerationOptions(command: Command, defaults: { maxNewTokens: number }): Command {
  return addSchedulerOptions(command)
    .option("--max-new-tokens <n>", "most tokens to generate", integer(1), defaults.maxNewTokens)
    .option("--temperature <t>", "0 takes the most likely token", number(0), 0)
    .option("--top-k <k>", "keep the k most likely tokens", integer(1))
    .option("--top-p <p>", "keep the smallest set of tokens that reaches this probability", number(0, 1))
    .option("--min-p <p>", "keep tokens at least this fraction as likely as the best", number(0, 1))
    .option("--repetition-penalty <r>", "weaken tokens already seen (1: off)", number(0))
    .option("--presence-penalty <p>", "subtract once for tokens already generated", number(-100, 100))
    .option("--frequency-penalty <p>", "subtract per occurrence for tokens already generated", number(-100, 100))
    .option("--logit-bias <id=value>", "add to a token's logit, repeatable; -inf forbids it", collectBias)
    .option("--seed <n>", "seed of the random draws", integer(0, LARGEST_SEED))
    .option("--stop <text>", "end before this text, repeatable", collect)
    .addOption(
      new Option("--cache-type <type>", "numbers in the key-value cache").choices(["f32", "f16", "i8"]).default("f32"),
    )
    .addOption(threadsOption());
}

/** The sampler's part of the options. */
export function samplingOptions(options: GenerationOptions): SamplingOptions {
  const { temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, seed } =
    options;
  return { temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, seed };
}

function collectBias(text: string, earlier: ReadonlyMap<number, number> = new Map()): ReadonlyMap<number, number> {
  const match = /^(\d+)=(.+)$/.exec(text);
  const value = match?.[2] === "-inf" ? Number.NEGATIVE_INFINITY : Number(match?.[2]);
  if (match === null || Number.isNaN(value)) throw new InvalidArgumentError("Expected id=value, for example 42=-inf.");
  return new Map([...earlier, [Number(match[1]), value]]);
}
