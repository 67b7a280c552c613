import type { PrecisionDecision } from "@stepdown/core";
import { isPrecision, precisionOfBlock } from "@stepdown/core";
import { checkInteger, checkNotNegative, checkRecord, MAXIMUM_BATCH, MAXIMUM_TOKENS, refuse } from "./checks.js";
import { type CodecDescription, checkCodec } from "./codec-traffic.js";
import { type CostProfile, checkProfile, PHYSICAL_PROFILE } from "./cost-profile.js";
import { createHardware } from "./create-hardware.js";
import type { HardwareDescription } from "./hardware-description.js";
import type { ModelShape } from "./model-shape.js";

/** What every question to the cost model names. */
export interface CostRequest {
  readonly hardware: HardwareDescription;
  readonly model: ModelShape;
  /** How nested weights are stored. Default: plain codes, no tables. */
  readonly codec?: CodecDescription;
  /** What is charged. Default: {@link PHYSICAL_PROFILE}. */
  readonly profile?: CostProfile;
  /** Sequences decoded together; they share every weight that is read. Default 1. */
  readonly batch?: number;
}

/** One forward pass. */
export interface ForwardRequest extends CostRequest {
  /** Bits read, for all blocks or one number per block. */
  readonly precision: PrecisionDecision;
  /** In prefill activations may have to leave the chip; in decode they never do. Default "decode". */
  readonly phase?: "prefill" | "decode";
  /** New tokens per sequence: the prompt, 1, or a draft to verify. Default 1. */
  readonly tokens?: number;
  /** Tokens per sequence cached before. It may be a mean, hence any number from 0. Default 0. */
  readonly contextTokens?: number;
}

/** A request with its defaults, checked. */
export interface CheckedForward {
  readonly hardware: HardwareDescription;
  readonly model: ModelShape;
  readonly codec: CodecDescription;
  readonly profile: CostProfile;
  readonly batch: number;
  readonly precision: PrecisionDecision;
  readonly phase: "prefill" | "decode";
  readonly tokens: number;
  readonly contextTokens: number;
}

/** Checks a request; throws `InvalidArgumentError` naming the key. */
export function checkForward(request: ForwardRequest): CheckedForward {
  const common = checkCost(request);
  return {
    ...common,
    precision: checkDecision("precision", request.precision, common.model),
    phase: request.phase ?? "decode",
    tokens: checkInteger("tokens", request.tokens ?? 1, 1, MAXIMUM_TOKENS),
    contextTokens: checkNotNegative("contextTokens", request.contextTokens ?? 0),
  };
}

/** Checks what all requests share. Hardware and model are checked again in case they were made by spreading. */
export function checkCost(request: CostRequest): Required<CostRequest> {
  checkRecord("request", request);
  return {
    hardware: checkHardware(request.hardware),
    model: checkModel(request.model),
    codec: request.codec === undefined ? { codec: "plain" } : checkCodec(request.codec),
    profile: checkProfile(request.profile ?? PHYSICAL_PROFILE),
    batch: checkInteger("batch", request.batch ?? 1, 1, MAXIMUM_BATCH),
  };
}

/** A decision that this model can follow. */
export function checkDecision(key: string, decision: PrecisionDecision, model: ModelShape): PrecisionDecision {
  const allowed = "an integer from 1 to 8, 16 or 32";
  if (typeof decision === "number") {
    if (!isPrecision(decision)) refuse(key, decision, `${allowed}, or a list with one for each block`);
    return decision;
  }
  if (!Array.isArray(decision)) refuse(key, decision, `${allowed}, or a list with one for each block`);
  if (decision.length !== model.blocks)
    refuse(key, decision, `a list of ${model.blocks}, one precision for each block`);
  for (let block = 0; block < decision.length; block++)
    if (!isPrecision(precisionOfBlock(decision, block))) refuse(`${key}[${block}]`, decision[block], allowed);
  return decision;
}

const checkedHardware = new WeakMap<object, HardwareDescription>();
const checkedModels = new WeakSet<object>();

function checkHardware(hardware: HardwareDescription): HardwareDescription {
  checkRecord("hardware", hardware);
  const known = checkedHardware.get(hardware);
  if (known !== undefined) return known;
  const complete = createHardware(hardware);
  checkedHardware.set(hardware, complete);
  checkedHardware.set(complete, complete);
  return complete;
}

function checkModel(model: ModelShape): ModelShape {
  checkRecord("model", model);
  if (checkedModels.has(model)) return model;
  const size = (key: string, value: unknown): number => checkInteger(`model.${key}`, value, 1, 2 ** 31);
  for (const key of [
    "blocks",
    "hiddenSize",
    "feedForwardSize",
    "heads",
    "keyValueHeads",
    "headDimension",
    "vocabularySize",
  ] as const)
    size(key, model[key]);
  if (model.heads % model.keyValueHeads !== 0)
    refuse("model.keyValueHeads", model.keyValueHeads, `a divisor of heads, which is ${model.heads}`);
  if (!Array.isArray(model.linears) || model.linears.length === 0)
    refuse("model.linears", model.linears, "the linear layers of a block; make shapes with createModelShape");
  for (const linear of model.linears) {
    size(`linears.${linear.name}.rows`, linear.rows);
    size(`linears.${linear.name}.columns`, linear.columns);
  }
  checkedModels.add(model);
  return model;
}
