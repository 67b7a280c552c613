/**
 * What is compared: a float model, precisions of nested models, and round trips of the float model's blocks through GGUF
 * types. A variant is plain data, so that it can be sent to a worker and be part of a key.
 */
import { InvalidArgumentError, type Precision } from "@stepdown/core";
import { openCheckpoint, quantizableGgufType, quantizableGgufTypes } from "@stepdown/model-format";
import { describeCheckpoint } from "@stepdown/runtime";
import { blockLinears, ggufTypeOfLayer } from "./variant-checkpoint.js";

/** Where a variant's block weights come from. */
export type VariantSource =
  | { readonly kind: "float" }
  | { readonly kind: "nested"; readonly location: string; readonly precision: Precision }
  | { readonly kind: "gguf"; readonly type: string };

/** One row of the tables. */
export interface Variant {
  readonly source: VariantSource;
  /** What the precisions of one model, or all GGUF types, have in common: a line of the chart. */
  readonly method: string;
  /** Name within the method: "4 bits", "Q4_0"; empty for the float model. */
  readonly detail: string;
  /** Bits per weight of the blocks' linear layers, tables, scales and minimums included. */
  readonly effectiveBits: number;
  /** Bytes of those layers that a token's pass reads. */
  readonly blockBytes: number;
}

/** A `--model` value: `[NAME=]DIRECTORY[@3,4]`. */
export interface ModelOption {
  readonly name?: string;
  readonly location: string;
  readonly precisions?: readonly Precision[];
}

/** The methods of GGUF round trips: types of one scale per 32 weights, and K types. */
export const GGUF_METHOD = "GGUF block types";
export const GGUF_K_METHOD = "GGUF K types";
/** The method of the float model. */
export const FLOAT_METHOD = "float";

/** "codebook, seed 2: 4 bits", "GGUF block types: Q4_0", "float". */
export function variantLabel({ method, detail }: Pick<Variant, "method" | "detail">): string {
  return detail === "" ? method : `${method}: ${detail}`;
}

/** Reads a `--model` value. */
export function parseModelOption(text: string): ModelOption {
  const found = /^(?:([^=/\\]+)=)?(.+?)(?:@([0-9]+(?:,[0-9]+)*))?$/.exec(text);
  if (found === null) throw new InvalidArgumentError(`--model ${JSON.stringify(text)} is not [NAME=]DIRECTORY[@BITS].`);
  const [, name, location, bits] = found;
  return {
    ...(name === undefined ? {} : { name: name.trim() }),
    location: location!,
    ...(bits === undefined ? {} : { precisions: bits.split(",").map(Number) }),
  };
}

/** Looks at the headers of all models and lists what will be compared, the float model first. */
export async function listVariants(
  floatLocation: string,
  models: readonly ModelOption[],
  ggufTypes: readonly string[],
): Promise<Variant[]> {
  const variants = [await floatVariant(floatLocation)];
  for (const model of models) {
    const found = await nestedVariants(model, floatLocation);
    const method = found[0]!.method;
    if (variants.some((variant) => variant.method === method)) {
      throw new InvalidArgumentError(
        `Two models are both called "${method}". Name them: --model NAME=${model.location}`,
      );
    }
    variants.push(...found);
  }
  for (const type of ggufTypes) variants.push(await ggufVariant(floatLocation, type));
  return variants;
}

async function floatVariant(location: string): Promise<Variant> {
  await using checkpoint = await openCheckpoint(location);
  if (checkpoint.kind !== "float") {
    throw new InvalidArgumentError(
      `--float ${location} is a nested model. Give the float checkpoint it was made from.`,
    );
  }
  const { effectiveBits, nestedBytes } = describeCheckpoint(checkpoint).cost(checkpoint.precisions.at(-1)!);
  return { source: { kind: "float" }, method: FLOAT_METHOD, detail: "", effectiveBits, blockBytes: nestedBytes };
}

async function nestedVariants(model: ModelOption, floatLocation: string): Promise<Variant[]> {
  const { location } = model;
  await using checkpoint = await openCheckpoint(location, { verify: "never" });
  await using float = await openCheckpoint(floatLocation);
  if (checkpoint.kind !== "nested") {
    throw new InvalidArgumentError(
      `--model ${location} is a float checkpoint. Quantize it first, or name it with --float.`,
    );
  }
  const { description, cost } = describeCheckpoint(checkpoint);
  const original = describeCheckpoint(float).description;
  const shape = ({ blocks, hiddenSize, intermediateSize, vocabularySize }: typeof original): string =>
    `${blocks} blocks of ${hiddenSize} × ${intermediateSize} with ${vocabularySize} tokens`;
  if (shape(description) !== shape(original)) {
    throw new InvalidArgumentError(
      `--model ${location} has ${shape(description)} and --float ${floatLocation} ${shape(original)}; they are not the same model.`,
    );
  }
  const wanted = model.precisions ?? checkpoint.precisions;
  const absent = wanted.filter((precision) => !checkpoint.precisions.includes(precision));
  if (absent.length > 0) {
    throw new InvalidArgumentError(
      `--model ${location} holds ${checkpoint.precisions.join(", ")} bits, not ${absent.join(", ")}.`,
    );
  }
  const method = model.name ?? `${description.codec}, seed ${checkpoint.precisions[0]}`;
  return wanted.map((precision) => {
    const { effectiveBits, nestedBytes } = cost(precision);
    const source = { kind: "nested", location, precision } as const;
    return { source, method, detail: `${precision} bits`, effectiveBits, blockBytes: nestedBytes };
  });
}

async function ggufVariant(floatLocation: string, type: string): Promise<Variant> {
  if (!quantizableGgufTypes.includes(type)) {
    throw new InvalidArgumentError(`--gguf ${type} cannot be made. Choose of ${quantizableGgufTypes.join(", ")}.`);
  }
  await using checkpoint = await openCheckpoint(floatLocation);
  let [bytes, weights, replaced] = [0, 0, 0];
  for (const { rows, columns } of blockLinears(checkpoint)) {
    const chosen = ggufTypeOfLayer(type, columns);
    const { blockBytes, blockWeights } = quantizableGgufType(chosen);
    bytes += ((rows * columns) / blockWeights) * blockBytes;
    weights += rows * columns;
    if (chosen !== type) replaced += rows * columns;
  }
  if (replaced === weights) {
    throw new InvalidArgumentError(
      `--gguf ${type}: no row of ${floatLocation} is a whole number of its blocks of ${quantizableGgufType(type).blockWeights} weights; all would be ${replacement(type)}. Use that.`,
    );
  }
  const share = Math.round((100 * replaced) / weights);
  return {
    source: { kind: "gguf", type },
    method: type.endsWith("_K") ? GGUF_K_METHOD : GGUF_METHOD,
    detail: replaced === 0 ? type : `${type} (${share} % of the weights ${replacement(type)})`,
    effectiveBits: (8 * bytes) / weights,
    blockBytes: bytes,
  };
}

/** Name of the type that takes the place of one whose blocks do not fit. */
function replacement(type: string): string {
  return ggufTypeOfLayer(type, quantizableGgufType("Q8_0").blockWeights);
}
