/**
 * The WebAssembly module: from the bytes inside this package, or from where the caller says. Instructions are probed for,
 * never assumed: without 128-bit SIMD there is nothing to load, and relaxed SIMD is used where it is known.
 */
import { InvalidArgumentError, InvalidFileError, UnsupportedError } from "@stepdown/core";
import { kernelsRelaxed } from "./generated/kernels-relaxed.js";
import { kernelsSimd } from "./generated/kernels-simd.js";

/** Where the module can come from: an address to fetch, the file's bytes, or a module compiled already. */
export type WasmSource = URL | BufferSource | WebAssembly.Module;

/** The binaries inside this package; both compute the same bits. */
export type WasmVariant = "simd" | "relaxed-simd";

/** A module of one function whose body is `i8x16.popcnt(i8x16.splat(0))`; valid only where SIMD is known. */
const SIMD_PROBE: Uint8Array<ArrayBuffer> = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03],
  ...[0x02, 0x01, 0x00, 0x0a, 0x0a, 0x01, 0x08, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x62, 0x0b],
);

/** The same with `i8x16.relaxed_swizzle(i8x16.splat(0), i8x16.splat(0))`; valid only where relaxed SIMD is known. */
const RELAXED_PROBE: Uint8Array<ArrayBuffer> = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01],
  ...[0x00, 0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b],
);

/** Whether this runtime validates 128-bit SIMD instructions. */
export function supportsSimd(): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(SIMD_PROBE);
}

/** Whether this runtime validates relaxed SIMD instructions. */
export function supportsRelaxedSimd(): boolean {
  return supportsSimd() && WebAssembly.validate(RELAXED_PROBE);
}

/** The binary to use: what was asked for, or the fastest one that can run here. Throws `UnsupportedError`. */
function chooseVariant(variant: WasmVariant | undefined): WasmVariant {
  if (variant !== undefined && variant !== "simd" && variant !== "relaxed-simd")
    throw new InvalidArgumentError(`variant ${JSON.stringify(variant)} is not simd or relaxed-simd.`);
  const isKnown = supportsRelaxedSimd();
  if (variant === "relaxed-simd" && !isKnown)
    throw new UnsupportedError(
      "The WebAssembly kernels were asked for with relaxed SIMD, which this runtime does not have. " +
        "Leave the option variant out, or use a newer browser or Node.",
    );
  return variant ?? (isKnown ? "relaxed-simd" : "simd");
}

/** The compiled module. Rejects with `UnsupportedError` without the instructions it needs and `InvalidFileError` for bytes that are no module. */
export async function loadModule(
  source: WasmSource | undefined,
  variant: WasmVariant | undefined,
  isShared: boolean,
  signal?: AbortSignal,
): Promise<WebAssembly.Module> {
  signal?.throwIfAborted();
  if (!supportsSimd())
    throw new UnsupportedError(
      "The WebAssembly kernels need 128-bit SIMD, which this runtime does not have. " +
        "Use a newer browser or Node, or the reference kernels of @stepdown/kernels.",
    );
  const chosen = chooseVariant(variant);
  if (source instanceof WebAssembly.Module) return source;
  const bytes =
    source === undefined
      ? decodeBase64(chosen === "simd" ? kernelsSimd : kernelsRelaxed)
      : source instanceof URL
        ? await fetchBytes(source, signal)
        : source;
  try {
    return await WebAssembly.compile(isShared ? shareMemory(bytes) : bytes);
  } catch (cause) {
    throw new InvalidFileError(
      `The WebAssembly kernels could not be compiled${source instanceof URL ? ` from ${source.href}` : ""}: ` +
        `${(cause as Error).message}. Check that the file is kernels.wasm (or kernels-relaxed.wasm) of this version.`,
      { cause },
    );
  }
}

/** How the import of `env.memory` with a maximum begins in a module; the byte behind it is 1, or 3 for shared memory. */
const MEMORY_IMPORT: readonly number[] = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2];

/** The module with its memory declared as shared, a difference of one byte. Other modules come back unchanged. */
function shareMemory(bytes: BufferSource): Uint8Array<ArrayBuffer> {
  const view = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
  const copy = view.slice();
  const found = copy.findIndex((_, at) => MEMORY_IMPORT.every((byte, index) => copy[at + index] === byte));
  if (found >= 0 && copy[found + MEMORY_IMPORT.length] === 1) copy[found + MEMORY_IMPORT.length] = 3;
  return copy;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** The part of Node's file system used below. */
interface FileReader {
  readFile(path: URL, options: { signal: AbortSignal | undefined }): Promise<Uint8Array<ArrayBuffer>>;
}

async function fetchBytes(url: URL, signal: AbortSignal | undefined): Promise<BufferSource> {
  try {
    if (url.protocol === "file:") {
      // Node's fetch refuses file addresses; asking the process keeps node modules out of browser bundles.
      const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
      const files = process?.getBuiltinModule?.("node:fs/promises") as FileReader | undefined;
      if (files !== undefined) return await files.readFile(url, { signal });
    }
    const response = await fetch(url, signal === undefined ? {} : { signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await response.arrayBuffer();
  } catch (cause) {
    signal?.throwIfAborted();
    throw new InvalidFileError(
      `The WebAssembly kernels could not be read from ${url.href}: ${(cause as Error).message}. ` +
        "Check the address, or leave the option wasm out to use the bytes inside the package.",
      { cause },
    );
  }
}
