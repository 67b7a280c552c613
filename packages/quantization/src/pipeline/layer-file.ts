/**
 * One finished layer in the work directory: everything a later run needs to trust it.
 *
 * Layout: 8 bytes magic, uint32 length of the header (little-endian), header (JSON, UTF-8), payload. The payload is
 * the layer's parts in the order in which the format lists them. The header has the facts of the layer, the SHA-256 of the
 * float32 weights it was made from and the SHA-256 of the payload.
 */
import type { NestedWeight } from "@stepdown/core";
import {
  type LayerFacts,
  type NestedLayerPart,
  type NestedLayerSource,
  nestedLayerSource,
  partsOf,
} from "@stepdown/model-format";
import { hashFile, readRange, sha256, writeAtomically } from "./node-files.js";

const MAGIC = "SDLAYER1";

/** Names and some numbers need some hundred bytes; more means damage. */
const MAXIMUM_HEADER_BYTES = 4096;

/** What a layer file has to be about to be used. */
export interface ExpectedLayer {
  readonly facts: LayerFacts;
  /** SHA-256 of the weights, hexadecimal. */
  readonly weights: string;
}

interface Piece {
  readonly part: NestedLayerPart;
  readonly offset: number;
  readonly bytes: number;
}

/** Writes a layer under a temporary name and renames it. */
export async function writeLayerFile(
  path: string,
  expected: ExpectedLayer,
  weight: NestedWeight,
  signal?: AbortSignal,
): Promise<void> {
  const { name, followsPrecision } = expected.facts;
  const source = nestedLayerSource(name, weight, { followsPrecision });
  const payload: Uint8Array[] = [];
  for (const { part } of piecesOf(expected.facts).pieces) {
    const { buffer, byteOffset, byteLength } = await source.read(part, {});
    payload.push(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const header = new TextEncoder().encode(JSON.stringify({ ...expected, payload: await sha256(payload) }));
  const prefix = new Uint8Array(12);
  prefix.set(new TextEncoder().encode(MAGIC));
  new DataView(prefix.buffer).setUint32(8, header.byteLength, true);
  await writeAtomically(path, [prefix, header, ...payload], signal);
}

/** Opens a layer for writing it to the model, or returns `undefined` if it is absent, damaged or of something else. */
export async function openLayerFile(path: string, expected: ExpectedLayer): Promise<NestedLayerSource | undefined> {
  const prefix = await readRange(path, 0, 12);
  if (prefix === undefined || new TextDecoder().decode(prefix.subarray(0, 8)) !== MAGIC) return undefined;
  const headerBytes = new DataView(prefix.buffer, prefix.byteOffset).getUint32(8, true);
  if (headerBytes > MAXIMUM_HEADER_BYTES) return undefined;
  const header = await readRange(path, 12, headerBytes);
  if (header === undefined) return undefined;
  const start = 12 + headerBytes;
  const { pieces, bytes } = piecesOf(expected.facts);
  const payload = await hashFile(path, start, bytes);
  // Headers are written from the same fields in the same order, so equal content means equal text.
  if (payload === undefined || new TextDecoder().decode(header) !== JSON.stringify({ ...expected, payload })) {
    return undefined;
  }
  return {
    ...expected.facts,
    async read(part) {
      const piece = pieces.find((candidate) => isSamePart(candidate.part, part));
      const data = piece === undefined ? undefined : await readRange(path, start + piece.offset, piece.bytes);
      if (data === undefined) throw new Error(`${path} has lost its ${JSON.stringify(part)}.`);
      return data;
    },
  };
}

function piecesOf(facts: LayerFacts): { pieces: Piece[]; bytes: number } {
  const pieces: Piece[] = [];
  let offset = 0;
  for (const { part, bytes } of partsOf(facts)) {
    pieces.push({ part, offset, bytes });
    offset += bytes;
  }
  return { pieces, bytes: offset };
}

function isSamePart(a: NestedLayerPart, b: NestedLayerPart): boolean {
  const place = (part: NestedLayerPart): number =>
    part.kind === "plane" ? part.plane : "precision" in part ? part.precision : 0;
  return a.kind === b.kind && place(a) === place(b);
}
