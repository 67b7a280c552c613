import { InvalidArgumentError, type Precision, type WaitOptions } from "@stepdown/core";
import { createSha256 } from "../checksum.js";
import type { JsonRecord } from "../json.js";
import { makeDirectory } from "../make-directory.js";
import { nodeBuiltin } from "../node-builtin.js";
import { float32ToBfloat16 } from "../numbers/bfloat16.js";
import { findNonFiniteFloat16, float32ToFloat16 } from "../numbers/float16.js";
import { asBytes, asFloat32, asUint16 } from "../numbers/views.js";
import { attempt, createOutputFile } from "../output-file.js";
import { SAFETENSORS_INDEX_FILE } from "../safetensors/open-tensor-set.js";
import { layOutSafetensors, streamSafetensors } from "../safetensors/stream-safetensors.js";
import type { TensorSource } from "../safetensors/tensor-source.js";
import { checkFileName } from "../sources/model-directory.js";
import type { TextAssetFile } from "../text-assets.js";
import { checkTarget, installDirectory, shardName } from "./install-directory.js";
import { partsOf, type StoredPart } from "./layer-facts.js";
import { LAYER_LIST_KEY, parseLayerList, serializeLayerList } from "./layer-list.js";
import type { FloatTensorSource, NestedLayerSource } from "./layer-sources.js";
import { FORMAT_VERSION, QUANTIZATION_METHOD } from "./quantization-config.js";
import type { ShardEntry } from "./shard-index.js";

/** What a nested model is written from. */
export interface WriteNestedModelOptions extends WaitOptions {
  /** Directory to be made. */
  directory: string;
  /** Configuration of the original model; its `quantization_config` is replaced. */
  config: JsonRecord;
  /** Free metadata for `quantization_config`: sensitivity, split mode, seed …; method, codec and bits are added. */
  quantization?: JsonRecord;
  /** Files copied as they are; see `OpenedCheckpoint.readTextAssetFiles`. */
  textAssets?: readonly TextAssetFile[];
  /** Nested layers. Those that follow the precision must agree in codec, seed bits and bits. */
  layers: readonly NestedLayerSource[];
  /** Everything that is not nested. */
  tensors: readonly FloatTensorSource[];
  /** Write into a directory that holds other files; they stay unless they have the same name. Default `false`. */
  overwrite?: boolean;
}

/**
 * Writes a nested model directory; Node only. Shard after shard is streamed into a directory beside the target, which takes
 * the target's place when all is done; after an error or abort nothing is left. The same input gives the same bytes.
 */
export async function writeNestedModel(options: WriteNestedModelOptions): Promise<void> {
  const { directory, layers, signal } = options;
  const model = describe(layers);
  for (const { name } of options.textAssets ?? []) checkAssetName(name);
  signal?.throwIfAborted();
  const fs = nodeBuiltin("node:fs/promises");
  const { dirname, join, resolve } = nodeBuiltin("node:path");
  const target = resolve(directory);
  await checkTarget(target, options.overwrite ?? false);

  const layouts = planShards(options, model).map((tensors, i) =>
    layOutSafetensors(
      tensors,
      i === 0 ? { format: QUANTIZATION_METHOD, [LAYER_LIST_KEY]: serializeLayerList(layers) } : {},
    ),
  );
  const total = layouts.reduce((sum, layout) => sum + layout.dataBytes, 0);
  await attempt(target, () => makeDirectory(dirname(target)));
  const { randomUUID } = nodeBuiltin("node:crypto");
  const partial = `${target}.partial-${randomUUID().slice(0, 8)}`;
  await attempt(partial, () => fs.mkdir(partial));
  try {
    const shards: ShardEntry[] = [];
    const weightMap = new Map<string, string>();
    let done = 0;
    for (const [i, layout] of layouts.entries()) {
      const file = shardName(i + 1, layouts.length);
      const checksum = createSha256();
      const output = await createOutputFile(join(partial, file));
      try {
        const append = async (bytes: Uint8Array): Promise<void> => {
          checksum.update(bytes);
          await output.write(bytes);
        };
        await streamSafetensors(layout, append, {
          signal,
          onTensor(name, bytes) {
            done += bytes;
            weightMap.set(name, file);
            options.onProgress?.({ phase: "writing model", done, total, unit: "bytes", detail: name });
          },
        });
        await output.finish();
      } catch (error) {
        await output.abandon();
        throw error;
      }
      const bytes = layout.header.byteLength + layout.dataBytes;
      shards.push({ file, bytes, sha256: checksum.digest(), bits: model.seedBits + i });
    }
    const write = (name: string, bytes: Uint8Array) =>
      attempt(join(partial, name), () => fs.writeFile(join(partial, name), bytes));
    for (const asset of options.textAssets ?? []) await write(asset.name, asset.bytes);
    await write(
      SAFETENSORS_INDEX_FILE,
      jsonBytes({
        metadata: { total_size: total, format: QUANTIZATION_METHOD, shards },
        weight_map: Object.fromEntries([...weightMap].sort(([a], [b]) => (a < b ? -1 : 1))),
      }),
    );
    await write("config.json", jsonBytes(configOf(options, model)));
    signal?.throwIfAborted();
    await installDirectory(partial, target, options.overwrite ?? false);
  } catch (error) {
    await fs.rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

/** What all layers that follow the precision share. */
interface NestedModelFacts {
  readonly codec: string;
  readonly seedBits: Precision;
  readonly bits: Precision;
}

function describe(layers: readonly NestedLayerSource[]): NestedModelFacts {
  // What a reader would refuse is refused here.
  try {
    parseLayerList(serializeLayerList(layers), "layers");
  } catch (cause) {
    throw new InvalidArgumentError(`the layers cannot be written: ${(cause as Error).message}`, { cause });
  }
  const following = layers.filter((layer) => layer.followsPrecision);
  const [first] = following;
  if (first === undefined) throw new InvalidArgumentError("a nested model needs a layer that follows the precision");
  const other = following.find(
    ({ codec, seedBits, bits }) => codec !== first.codec || seedBits !== first.seedBits || bits !== first.bits,
  );
  if (other !== undefined) {
    throw new InvalidArgumentError(
      `"${other.name}" is ${other.codec} with ${other.seedBits} to ${other.bits} bits, "${first.name}" is ${first.codec} with ${first.seedBits} to ${first.bits}; layers that follow the precision must agree`,
    );
  }
  return { codec: first.codec, seedBits: first.seedBits, bits: first.bits };
}

function planShards(options: WriteNestedModelOptions, model: NestedModelFacts): TensorSource[][] {
  const shards: TensorSource[][] = Array.from({ length: model.bits - model.seedBits + 1 }, () => []);
  shards[0]?.push(...options.tensors.map(floatSource));
  for (const layer of options.layers) {
    for (const part of partsOf(layer))
      shards[Math.max(part.precision - model.seedBits, 0)]?.push(partSource(layer, part));
  }
  return shards;
}

function floatSource(tensor: FloatTensorSource): TensorSource {
  const { name, type, shape } = tensor;
  return {
    name,
    type,
    shape,
    async read(options) {
      const values = await tensor.read(options);
      if (type === "F32" || !(values instanceof Float32Array)) return values;
      return type === "F16" ? float32ToFloat16(values) : float32ToBfloat16(values);
    },
  };
}

function partSource(layer: NestedLayerSource, part: StoredPart): TensorSource {
  return {
    name: part.name,
    type: part.type,
    shape: part.shape,
    async read(options) {
      const view = await layer.read(part.part, options);
      const bytes = asBytes(view);
      const whole = bytes.byteLength === part.bytes;
      const bad = !whole
        ? -1
        : part.type === "F16"
          ? findNonFiniteFloat16(asUint16(bytes))
          : part.type === "F32"
            ? asFloat32(bytes).findIndex((value) => !Number.isFinite(value))
            : -1;
      if (bad >= 0) throw new InvalidArgumentError(`"${part.name}": entry ${bad} is infinite or not a number`);
      return view;
    },
  };
}

function configOf(options: WriteNestedModelOptions, model: NestedModelFacts): JsonRecord {
  return {
    ...options.config,
    quantization_config: {
      ...options.quantization,
      quant_method: QUANTIZATION_METHOD,
      format_version: FORMAT_VERSION,
      codec: model.codec,
      seed_bits: model.seedBits,
      bits: model.bits,
    },
  };
}

function checkAssetName(name: string): void {
  checkFileName(name, "text assets");
  if (name === "config.json" || name === SAFETENSORS_INDEX_FILE || name.endsWith(".safetensors")) {
    throw new InvalidArgumentError(`text asset "${name}" would replace a file of the model itself`);
  }
}

function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}
