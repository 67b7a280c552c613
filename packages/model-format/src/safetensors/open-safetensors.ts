import { InvalidFileError, MissingFileError } from "@stepdown/core";
import { MAXIMUM_SAFETENSORS_HEADER_BYTES, MAXIMUM_TENSOR_BYTES } from "../limits.js";
import type { ByteReadOptions, ByteSource } from "../sources/byte-source.js";
import { convertToFloat32 } from "./data-type.js";
import { parseSafetensorsHeader, type SafetensorsEntry } from "./parse-header.js";

/** An opened safetensors file: header checked, no tensor read yet. */
export interface SafetensorsFile {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Raw little-endian bytes of a tensor, or of a part of it. */
  readBytes(tensor: string, options?: ReadTensorOptions): Promise<Uint8Array>;
  /** A whole tensor as float32. */
  readFloat32(tensor: string, options?: ByteReadOptions): Promise<Float32Array>;
}

/** Options of {@link SafetensorsFile.readBytes}. */
export interface ReadTensorOptions extends ByteReadOptions {
  /** First byte inside the tensor. Default 0. */
  offset?: number;
  /** Bytes wanted. Default: up to the tensor's end. */
  length?: number;
}

/** Reads and checks the header of a safetensors file: 8 bytes length, JSON, then the tensors' bytes. */
export async function openSafetensors(source: ByteSource, options: ByteReadOptions = {}): Promise<SafetensorsFile> {
  const { name, size } = source;
  const read = { signal: options.signal };
  if (size < 8) throw new InvalidFileError(`${name}: ${size} bytes are too few for a safetensors file`);
  const prefix = await source.read(0, 8, read);
  const headerBytes = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (headerBytes > MAXIMUM_SAFETENSORS_HEADER_BYTES) {
    throw new InvalidFileError(
      `${name}: claims a header of ${headerBytes} bytes, more than the ${MAXIMUM_SAFETENSORS_HEADER_BYTES} allowed; is it a safetensors file?`,
    );
  }
  if (8 + headerBytes > size) {
    throw new InvalidFileError(
      `${name}: claims a header of ${headerBytes} bytes but has only ${size} in all; it is truncated`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await source.read(8, headerBytes, read));
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new InvalidFileError(`${name}: safetensors header is no UTF-8 text`, { cause });
  }
  const start = 8 + headerBytes;
  const header = parseSafetensorsHeader(text, size - start, name);

  const readBytes = async (tensor: string, part: ReadTensorOptions = {}): Promise<Uint8Array> => {
    const entry = header.tensors.get(tensor);
    if (entry === undefined) throw new MissingFileError(`${name}: holds no tensor "${tensor}"`);
    const offset = part.offset ?? 0;
    const length = part.length ?? entry.bytes - offset;
    if (offset < 0 || length < 0 || offset + length > entry.bytes) {
      throw new InvalidFileError(`${name}: tensor "${tensor}" has ${entry.bytes} bytes, wanted ${length} at ${offset}`);
    }
    if (length > MAXIMUM_TENSOR_BYTES) {
      throw new InvalidFileError(`${name}: tensor "${tensor}" has ${length} bytes, more than can be read at once`);
    }
    return source.read(start + entry.offset + offset, length, { signal: part.signal });
  };

  return {
    name,
    tensors: header.tensors,
    metadata: header.metadata,
    readBytes,
    async readFloat32(tensor, readOptions) {
      const bytes = await readBytes(tensor, { signal: readOptions?.signal });
      return convertToFloat32((header.tensors.get(tensor) as SafetensorsEntry).type, bytes, `${name}: "${tensor}"`);
    },
  };
}
