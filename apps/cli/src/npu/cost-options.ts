/** Options that every question to the cost model shares: which model, which machine, how stored, what is charged. */
import { InvalidArgumentError, isPrecision } from "@stepdown/core";
import {
  type CodecDescription,
  type CostProfile,
  type CostRequest,
  type HeadBits,
  hardwarePresets,
  modelShapes,
  PHYSICAL_PROFILE,
} from "@stepdown/npu-model";
import { InvalidArgumentError as BadUse, type Command } from "commander";
import { integer } from "../options/parse.js";
import { findModel } from "./find-model.js";
import { findHardware, findProfile, profilesByName } from "./hardware-document.js";
import { unknownName } from "./nearest-name.js";

/** Values of {@link addCostOptions}. */
export interface CostOptions {
  readonly model: string;
  readonly hardware: string;
  readonly profile?: string;
  readonly codec?: string;
  readonly groupSize?: number;
  readonly scaleBits?: 8 | 16;
  readonly headBits?: HeadBits;
  readonly cacheBits?: number;
  readonly batch: number;
}

/** What the options ask for. */
export interface ChosenCost {
  readonly request: Required<CostRequest>;
  /** The same model as float numbers: its head is not quantized, whatever the nested model's is. */
  readonly floatRequest: Required<CostRequest>;
}

/** Kinds of codecs `--codec` takes. */
export const codecNames: readonly string[] = ["plain", "codebook", "uniform", "bcq"];

/** Adds the options to a command, and the names that exist below its help. */
export function addCostOptions(command: Command, defaults: { readonly hardware?: string } = {}): Command {
  const hardware = ["--hardware <name>", "preset, or a JSON file with a description"] as const;
  command.requiredOption("--model <name>", "built-in shape, model directory, config.json or GGUF file");
  if (defaults.hardware === undefined) command.requiredOption(...hardware);
  else command.option(...hardware, defaults.hardware);
  return addStorageOptions(command)
    .option("--profile <name>", `what is charged: ${[...profilesByName.keys()].join(", ")} (default: physical)`)
    .option("--batch <n>", "sequences decoded together", integer(1), 1)
    .addHelpText(
      "after",
      `\nModels:   ${[...modelShapes.keys()].join("\n          ")}\nHardware: ${[...hardwarePresets.keys()].join(", ")}`,
    );
}

/** Adds the options on how weights and cache are stored. */
export function addStorageOptions(command: Command): Command {
  return command
    .option("--codec <codec>", `how weights are stored: ${codecNames.join(", ")} (default: the model's own, or plain)`)
    .option("--group-size <n>", "columns that share their scales, bcq (default: 128)", integer(1))
    .option("--scale-bits <n>", "bits of a stored scale, bcq: 8 or 16 (default: 8)", scaleBits)
    .option("--head-bits <bits>", "bits of the output head: 1 to 8, 16, 32, body or none", headBits)
    .option("--cache-bits <n>", "bits of a cached key or value", integer(1, 32));
}

/** Reads model and machine and puts the request together. Options go before the model's own storage, that before the machine's. */
export async function chooseCost(options: CostOptions, signal: AbortSignal): Promise<ChosenCost> {
  const machine = await findHardware(options.hardware);
  const model = await findModel(options.model, signal);
  const base = options.profile === undefined ? (machine.profile ?? PHYSICAL_PROFILE) : findProfile(options.profile);
  const profile: CostProfile = {
    ...base,
    ...(options.headBits === undefined ? {} : { headBits: options.headBits }),
    ...(options.cacheBits === undefined ? {} : { keyValueBits: options.cacheBits }),
  };
  const floatRequest: Required<CostRequest> = {
    hardware: machine.hardware,
    model: model.shape,
    codec: chosenCodec(options) ?? model.codec ?? machine.codec ?? { codec: "plain" },
    profile,
    batch: options.batch,
  };
  const { headBits: own } = model;
  const request =
    own === undefined ? floatRequest : { ...floatRequest, hardware: { ...machine.hardware, headBits: own } };
  return { request, floatRequest };
}

/** The codec that the options describe, or `undefined` where they do not. */
export function chosenCodec(
  options: Pick<CostOptions, "codec" | "groupSize" | "scaleBits">,
): CodecDescription | undefined {
  const { codec, groupSize = 128, scaleBits: bits = 8 } = options;
  if (codec === undefined) return undefined;
  if (codec === "bcq") return { codec, groupSize, scaleBits: bits };
  if (options.groupSize !== undefined || options.scaleBits !== undefined)
    throw new InvalidArgumentError(`--group-size and --scale-bits belong to --codec bcq, not to ${codec}.`);
  if (codec === "plain" || codec === "codebook" || codec === "uniform") return { codec };
  throw unknownName("codec", codec, codecNames);
}

/** One line that says what was priced on what. */
export function describeCost({ model, hardware, codec, profile, batch }: Required<CostRequest>): string {
  const head = profile.headBits ?? hardware.headBits;
  const storage = codec.codec === "bcq" ? `bcq codes in groups of ${codec.groupSize}` : `${codec.codec} codes`;
  const parts = [
    `${model.name} on ${hardware.name}`,
    `${profile.name} profile`,
    storage,
    head === 0 ? "no head" : head === "body" ? "head as the body" : `head of ${head} bits`,
    `cache of ${profile.keyValueBits ?? hardware.keyValueBits} bits`,
  ];
  return `${parts.join(" · ")}${batch === 1 ? "" : ` · ${batch} sequences`}`;
}

/** The same for programs. */
export function costDocument({ model, hardware, codec, profile, batch }: Required<CostRequest>): object {
  return {
    model: model.name,
    hardware: hardware.name,
    profile: profile.name,
    codec,
    headBits: profile.headBits ?? hardware.headBits,
    cacheBits: profile.keyValueBits ?? hardware.keyValueBits,
    batch,
  };
}

function headBits(text: string): HeadBits {
  if (text === "body") return "body";
  if (text === "none") return 0;
  const value = Number(text);
  if (!isPrecision(value)) throw new BadUse("Expected 1 to 8, 16, 32, body or none.");
  return value;
}

function scaleBits(text: string): 8 | 16 {
  if (text === "8") return 8;
  if (text === "16") return 16;
  throw new BadUse("Expected 8 or 16.");
}
