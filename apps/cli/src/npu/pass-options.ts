/** Options of the subcommands that look at single forward passes: which precisions, which phases, how long. */
import { isPrecision, type Precision } from "@stepdown/core";
import type { CostRequest, ForwardRequest } from "@stepdown/npu-model";
import { type Command, InvalidArgumentError, Option } from "commander";
import { integer } from "../options/parse.js";

/** Values of {@link addPassOptions}. */
export interface PassOptions {
  readonly phase: "decode" | "prefill" | "both";
  readonly promptTokens: number;
  readonly context: number;
}

/** Prompt and cache that the examples of the literature are near, tokens. */
export const DEFAULT_TOKENS = 512;

/** Adds `--phase`, `--context` and `--prompt-tokens` to a command. */
export function addPassOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--phase <phase>", "which forward passes").choices(["decode", "prefill", "both"]).default("both"),
    )
    .option("--context <n>", "cached tokens of the decode step", integer(0), DEFAULT_TOKENS)
    .option("--prompt-tokens <n>", "length of the prompt, tokens", integer(1), DEFAULT_TOKENS);
}

/** The forward passes that the options name at one precision, decode first. */
export function passesOf(request: CostRequest, precision: Precision, options: PassOptions): readonly ForwardRequest[] {
  const decode: ForwardRequest = { ...request, precision, phase: "decode", contextTokens: options.context };
  const prefill: ForwardRequest = { ...request, precision, phase: "prefill", tokens: options.promptTokens };
  if (options.phase === "decode") return [decode];
  return options.phase === "prefill" ? [prefill] : [decode, prefill];
}

/** One precision, floats included. */
export function precision(text: string): Precision {
  const value = Number(text.trim());
  if (text.trim() === "" || !isPrecision(value)) throw new InvalidArgumentError("Expected bits: 1 to 8, 16 or 32.");
  return value;
}

/** Comma-separated precisions, without repetition, ascending. */
export function precisionList(text: string): Precision[] {
  return [...new Set(text.split(",").map(precision))].sort((one, other) => one - other);
}

/** Comma-separated numbers above 0, without repetition, ascending. */
export function positiveList(text: string): number[] {
  const values = text.split(",").map((part) => {
    const value = Number(part);
    if (part.trim() === "" || !(value > 0) || !Number.isFinite(value))
      throw new InvalidArgumentError("Expected numbers above 0, separated by commas.");
    return value;
  });
  return [...new Set(values)].sort((one, other) => one - other);
}
