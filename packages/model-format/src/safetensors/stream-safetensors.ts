import { InvalidArgumentError } from "@stepdown/core";
import { MAXIMUM_RANK, MAXIMUM_SAFETENSORS_HEADER_BYTES } from "../limits.js";
import { asBytes } from "../numbers/views.js";
import { safetensorsBits } from "./data-type.js";
import type { TensorSource } from "./tensor-source.js";

/** A safetensors file laid out: its first bytes, and the tensors in the order in which their bytes follow. */
export interface SafetensorsLayout {
  /** Length field and JSON, padded to a multiple of 8. */
  readonly header: Uint8Array;
  readonly tensors: readonly TensorSource[];
  /** Bytes of all tensors. */
  readonly dataBytes: number;
}

/**
 * Lays a safetensors file out. Tensors with wide elements come first, otherwise in the given order, so that every tensor is
 * aligned to its element size; the same input gives the same bytes.
 */
export function layOutSafetensors(
  sources: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const tensors = [...sources].sort((a, b) => bitsOf(b) - bitsOf(a));
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set("__metadata__", metadata);
  let offset = 0;
  for (const tensor of tensors) {
    if (entries.has(tensor.name) || tensor.name === "__metadata__") {
      throw new InvalidArgumentError(`tensor name "${tensor.name}" cannot be written twice or is reserved`);
    }
    const end = offset + bytesOf(tensor);
    entries.set(tensor.name, { dtype: tensor.type, shape: tensor.shape, data_offsets: [offset, end] });
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > MAXIMUM_SAFETENSORS_HEADER_BYTES) {
    throw new InvalidArgumentError(
      `the header would have ${padded} bytes, readers accept ${MAXIMUM_SAFETENSORS_HEADER_BYTES}; use more shards`,
    );
  }
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  return { header, tensors, dataBytes: offset };
}

/** Passes a laid out file's bytes to `append`, one tensor in memory at a time. `onTensor` is told of each one written. */
export async function streamSafetensors(
  layout: SafetensorsLayout,
  append: (bytes: Uint8Array) => Promise<void>,
  options: { signal?: AbortSignal; onTensor?: (name: string, bytes: number) => void } = {},
): Promise<void> {
  await append(layout.header);
  for (const tensor of layout.tensors) {
    options.signal?.throwIfAborted();
    const bytes = asBytes(await tensor.read({ signal: options.signal }));
    if (bytes.byteLength !== bytesOf(tensor)) {
      throw new InvalidArgumentError(
        `tensor "${tensor.name}" ${tensor.type} [${tensor.shape.join(", ")}] takes ${bytesOf(tensor)} bytes, its source gave ${bytes.byteLength}`,
      );
    }
    options.signal?.throwIfAborted();
    await append(bytes);
    options.onTensor?.(tensor.name, bytes.byteLength);
  }
}

function bitsOf(tensor: TensorSource): number {
  const bits = safetensorsBits.get(tensor.type);
  if (bits === undefined)
    throw new InvalidArgumentError(`tensor "${tensor.name}": safetensors knows no type "${tensor.type}"`);
  return bits;
}

function bytesOf(tensor: TensorSource): number {
  const elements = tensor.shape.reduce((product, dimension) => product * dimension, 1);
  const whole = tensor.shape.every((dimension) => Number.isInteger(dimension) && dimension >= 0);
  const bytes = (elements * bitsOf(tensor)) / 8;
  if (!whole || tensor.shape.length > MAXIMUM_RANK || !Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError(`tensor "${tensor.name}" cannot have the shape [${tensor.shape.join(", ")}]`);
  }
  return bytes;
}
