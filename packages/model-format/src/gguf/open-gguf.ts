import { InvalidFileError, MissingFileError, UnsupportedError } from "@stepdown/core";
import {
  FIRST_GGUF_READ_BYTES,
  MAXIMUM_DIMENSION,
  MAXIMUM_GGUF_ALIGNMENT,
  MAXIMUM_GGUF_HEADER_BYTES,
  MAXIMUM_GGUF_KEYS,
  MAXIMUM_NAME_LENGTH,
  MAXIMUM_RANK,
  MAXIMUM_TENSOR_BYTES,
  MAXIMUM_TENSORS_PER_FILE,
} from "../limits.js";
import type { ByteReadOptions, ByteSource } from "../sources/byte-source.js";
import { dequantize } from "./dequantize.js";
import { createHeaderReader, type GgufValue, type HeaderReader, MoreBytesNeeded } from "./header-reader.js";
import { ggufTypes } from "./types.js";

/** One tensor of a GGUF file. */
export interface GgufEntry {
  /** Name of the type, as `Q4_1`. */
  readonly type: string;
  /** Outermost dimension first (the file has them the other way round). */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** An opened GGUF file: header checked, no tensor read yet. Names and row order are the file's own. */
export interface GgufFile {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufEntry>;
  /** Raw bytes of a tensor. */
  readBytes(tensor: string, options?: ByteReadOptions): Promise<Uint8Array>;
  /** A tensor as float32. Throws `UnsupportedError` for types without a dequantizer. */
  readFloat32(tensor: string, options?: ByteReadOptions): Promise<Float32Array>;
}

const MAGIC = 0x46554747; // "GGUF"

/**
 * Reads and checks the header of a GGUF file, versions 2 and 3, little-endian.
 *
 * The header's length stands nowhere, so a first piece is read and, while it does not suffice, four times as much. (The
 * published parser `@huggingface/gguf` strips byte order marks from tokens and cuts strings at the edge of a read; tests
 * compare with it.)
 */
export async function openGguf(source: ByteSource, options: ByteReadOptions = {}): Promise<GgufFile> {
  const { name, size } = source;
  let wanted = Math.min(size, FIRST_GGUF_READ_BYTES);
  for (;;) {
    const bytes = await source.read(0, wanted, { signal: options.signal });
    try {
      return createFile(source, parse(createHeaderReader(bytes, size, name), size, name));
    } catch (error) {
      if (!(error instanceof MoreBytesNeeded)) throw error;
      if (error.end > MAXIMUM_GGUF_HEADER_BYTES) {
        throw new InvalidFileError(`${name}: GGUF header goes on beyond ${MAXIMUM_GGUF_HEADER_BYTES} bytes`);
      }
      wanted = Math.min(size, Math.max(error.end, 4 * wanted), MAXIMUM_GGUF_HEADER_BYTES);
    }
  }
}

type ParsedHeader = Pick<GgufFile, "metadata" | "tensors">;

function parse(reader: HeaderReader, size: number, name: string): ParsedHeader {
  const refuse = (what: string): never => {
    throw new InvalidFileError(`${name}: ${what}`);
  };
  if (reader.uint32() !== MAGIC) refuse("does not begin with GGUF");
  const version = reader.uint32();
  if (version !== 2 && version !== 3) {
    throw new UnsupportedError(
      `${name}: GGUF version ${version} is not read here, only 2 and 3 (little-endian); convert it with a current llama.cpp`,
    );
  }
  const tensorCount = reader.uint64();
  const keyCount = reader.uint64();
  if (tensorCount > MAXIMUM_TENSORS_PER_FILE)
    refuse(`claims ${tensorCount} tensors, more than ${MAXIMUM_TENSORS_PER_FILE}`);
  if (keyCount > MAXIMUM_GGUF_KEYS) refuse(`claims ${keyCount} metadata keys, more than ${MAXIMUM_GGUF_KEYS}`);

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = checkedName(reader.string(), refuse);
    if (metadata.has(key)) refuse(`has the metadata key "${key.slice(0, 80)}" twice`);
    metadata.set(key, reader.value(reader.uint32()));
  }
  const alignment = metadata.get("general.alignment") ?? 32;
  if (
    typeof alignment !== "number" ||
    !Number.isInteger(alignment) ||
    alignment < 1 ||
    alignment > MAXIMUM_GGUF_ALIGNMENT
  ) {
    return refuse(`has the impossible alignment ${String(alignment).slice(0, 40)}`);
  }

  const listed: (GgufEntry & { key: string })[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const key = checkedName(reader.string(), refuse);
    if (seen.has(key)) refuse(`lists tensor "${key.slice(0, 80)}" twice`);
    seen.add(key);
    listed.push({ key, ...parseTensor(reader, key, alignment, name, refuse) });
  }

  const start = Math.ceil(reader.position() / alignment) * alignment;
  const tensors = new Map<string, GgufEntry>();
  for (const { key, type, shape, offset, bytes } of listed) {
    if (start + offset + bytes > size) {
      refuse(
        `tensor "${key.slice(0, 80)}" ends at byte ${start + offset + bytes}, the file has ${size}; it is truncated`,
      );
    }
    tensors.set(key, { type, shape, offset: start + offset, bytes });
  }
  let end = 0;
  for (const { key, offset, bytes } of listed.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (offset < end) refuse(`places tensor "${key.slice(0, 80)}" inside another`);
    end = offset + bytes;
  }
  return { metadata, tensors };
}

function parseTensor(
  reader: HeaderReader,
  key: string,
  alignment: number,
  name: string,
  refuse: (what: string) => never,
): GgufEntry {
  const label = `tensor "${key.slice(0, 80)}"`;
  const rank = reader.uint32();
  if (rank > MAXIMUM_RANK) refuse(`${label} claims ${rank} dimensions, more than ${MAXIMUM_RANK}`);
  const dimensions: number[] = [];
  let elements = 1;
  for (let i = 0; i < rank; i++) {
    const dimension = reader.uint64();
    if (dimension > MAXIMUM_DIMENSION) refuse(`${label} claims a dimension of ${dimension}`);
    dimensions.push(dimension);
    elements *= dimension;
    if (elements > Number.MAX_SAFE_INTEGER / 8) refuse(`${label} has more elements than any file can hold`);
  }
  const number = reader.uint32();
  const type = ggufTypes.get(number);
  if (type === undefined) {
    throw new UnsupportedError(
      `${name}: ${label} has type number ${number}, which is not known here; convert it to a common type`,
    );
  }
  const rowLength = dimensions[0] ?? 1;
  if (rowLength % type.blockWeights !== 0) {
    refuse(`${label} has rows of ${rowLength} weights, ${type.name} needs multiples of ${type.blockWeights}`);
  }
  const offset = reader.uint64();
  if (offset % alignment !== 0) refuse(`${label} begins at ${offset}, no multiple of the alignment ${alignment}`);
  const bytes = (elements / type.blockWeights) * type.blockBytes;
  if (offset + bytes > Number.MAX_SAFE_INTEGER / 2) refuse(`${label} ends beyond any file`);
  return { type: type.name, shape: dimensions.reverse(), offset, bytes };
}

function checkedName(name: string, refuse: (what: string) => never): string {
  return name.length > MAXIMUM_NAME_LENGTH
    ? refuse(`has a name of ${name.length} characters, more than ${MAXIMUM_NAME_LENGTH}`)
    : name;
}

function createFile(source: ByteSource, header: ParsedHeader): GgufFile {
  const { name } = source;
  const find = (tensor: string): GgufEntry => {
    const entry = header.tensors.get(tensor);
    if (entry === undefined) throw new MissingFileError(`${name}: holds no tensor "${tensor}"`);
    if (entry.bytes > MAXIMUM_TENSOR_BYTES) {
      throw new InvalidFileError(`${name}: tensor "${tensor}" has ${entry.bytes} bytes, more than can be read at once`);
    }
    return entry;
  };
  const readBytes = async (tensor: string, options: ByteReadOptions = {}): Promise<Uint8Array> => {
    const entry = find(tensor);
    return source.read(entry.offset, entry.bytes, { signal: options.signal });
  };
  return {
    name,
    metadata: header.metadata,
    tensors: header.tensors,
    readBytes,
    async readFloat32(tensor, options) {
      const entry = find(tensor);
      return dequantize(entry.type, await readBytes(tensor, options), `${name}: "${tensor}"`);
    },
  };
}
