/**
 * Writes GGUF files (version 3), the twin of the reader in `@stepdown/model-format`: header, metadata, tensor list, then
 * the tensors one after another, each made when it is its turn. It knows the container, not what the tensors mean.
 */
import { type FileHandle, open, rename, rm } from "node:fs/promises";

/** Metadata values by the types that are needed here. */
export type GgufMetadata =
  | { readonly type: "uint32" | "float32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "string[]"; readonly value: readonly string[] }
  | { readonly type: "float32[]" | "int32[]"; readonly value: readonly number[] };

/** One tensor; `rows` is absent for vectors. */
export interface GgufTensor {
  readonly name: string;
  /** Number of the type in the file: 0 F32, 1 F16, 2 Q4_0 … */
  readonly type: number;
  readonly columns: number;
  readonly rows?: number;
  readonly bytes: number;
  /** The bytes, `bytes` of them. */
  make(): Uint8Array;
}

/** Tensors begin at multiples of this many bytes, the format's default. */
const ALIGNMENT = 32;
const TYPE_NUMBERS = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

/** Writes a file under a temporary name and renames it when it is whole. */
export async function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufMetadata>>,
  tensors: readonly GgufTensor[],
  signal?: AbortSignal,
): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  const file = await open(partial, "w");
  try {
    await writeAll(file, encodeHeader(metadata, tensors));
    for (const { name, bytes, make } of tensors) {
      signal?.throwIfAborted();
      const data = make();
      if (data.byteLength !== bytes) throw new Error(`${name}: ${data.byteLength} bytes were made, not ${bytes}.`);
      await writeAll(file, data);
      await writeAll(file, new Uint8Array(paddingAfter(bytes)));
    }
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(partial, { force: true });
    throw error;
  }
}

/** Everything before the tensors, padded. */
export function encodeHeader(
  metadata: Readonly<Record<string, GgufMetadata>>,
  tensors: readonly GgufTensor[],
): Uint8Array {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  const fixed = (bytes: number, write: (view: DataView) => void): void => {
    const view = new DataView(new ArrayBuffer(bytes));
    write(view);
    parts.push(new Uint8Array(view.buffer));
  };
  const uint32 = (value: number): void => fixed(4, (view) => view.setUint32(0, value, true));
  const int32 = (value: number): void => fixed(4, (view) => view.setInt32(0, value, true));
  const float32 = (value: number): void => fixed(4, (view) => view.setFloat32(0, value, true));
  const uint64 = (value: number): void => fixed(8, (view) => view.setBigUint64(0, BigInt(value), true));
  const text = (value: string): void => {
    const bytes = encoder.encode(value);
    uint64(bytes.length);
    parts.push(bytes);
  };
  const list = (type: number, values: readonly (string | number)[], write: (value: never) => void): void => {
    uint32(TYPE_NUMBERS.array);
    uint32(type);
    uint64(values.length);
    for (const value of values) write(value as never);
  };
  const field = (entry: GgufMetadata): void => {
    switch (entry.type) {
      case "string[]":
        list(TYPE_NUMBERS.string, entry.value, text);
        break;
      case "float32[]":
        list(TYPE_NUMBERS.float32, entry.value, float32);
        break;
      case "int32[]":
        list(TYPE_NUMBERS.int32, entry.value, int32);
        break;
      case "string":
        uint32(TYPE_NUMBERS.string);
        text(entry.value);
        break;
      case "bool":
        uint32(TYPE_NUMBERS.bool);
        fixed(1, (view) => view.setUint8(0, entry.value ? 1 : 0));
        break;
      default:
        uint32(TYPE_NUMBERS[entry.type]);
        if (entry.type === "uint32") uint32(entry.value);
        else float32(entry.value);
    }
  };

  parts.push(encoder.encode("GGUF"));
  uint32(3);
  uint64(tensors.length);
  uint64(Object.keys(metadata).length);
  for (const [key, entry] of Object.entries(metadata)) {
    text(key);
    field(entry);
  }
  let offset = 0;
  for (const { name, type, columns, rows, bytes } of tensors) {
    text(name);
    const shape = rows === undefined ? [columns] : [columns, rows];
    uint32(shape.length);
    for (const side of shape) uint64(side);
    uint32(type);
    uint64(offset);
    offset += bytes + paddingAfter(bytes);
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = new Uint8Array(length + paddingAfter(length));
  let at = 0;
  for (const part of parts) {
    header.set(part, at);
    at += part.length;
  }
  return header;
}

function paddingAfter(bytes: number): number {
  return (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) at += (await file.write(bytes, at)).bytesWritten;
}
