import { InvalidArgumentError, InvalidFileError, UnsupportedError } from "@stepdown/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createWasmKernels } from "./create-wasm-kernels.js";
import { kernelsSimd } from "./generated/kernels-simd.js";
import { supportsRelaxedSimd, type WasmSource } from "./load-module.js";

const bytes = Uint8Array.from(atob(kernelsSimd), (character) => character.charCodeAt(0));
/** The smallest module there is: only magic number and version. */
const emptyModule = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);

async function sumOfTwo(wasm?: WasmSource): Promise<number[]> {
  await using kernels = await createWasmKernels(wasm === undefined ? {} : { wasm });
  const target = kernels.allocate(2);
  kernels.write(target, Float32Array.of(1, 2));
  kernels.add(target, target, 2);
  return [...(await kernels.read(target))];
}

describe("the source of the WebAssembly module", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("can be the package itself, bytes, a buffer, a compiled module or an address", async () => {
    const address = new URL(`data:application/wasm;base64,${kernelsSimd}`);
    for (const source of [undefined, bytes, bytes.buffer, await WebAssembly.compile(bytes), address])
      expect(await sumOfTwo(source)).toEqual([2, 4]);
  });

  it("is refused with a reason when it is no module, another module or cannot be read", async () => {
    await expect(createWasmKernels({ wasm: Uint8Array.of(1, 2, 3) })).rejects.toThrow(InvalidFileError);
    await expect(createWasmKernels({ wasm: emptyModule })).rejects.toThrow(InvalidFileError);
    const missing = new URL("missing.wasm", import.meta.url);
    await expect(createWasmKernels({ wasm: missing })).rejects.toThrow(/missing\.wasm/);
  });

  it("is not loaded without SIMD", async () => {
    vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
    await expect(createWasmKernels()).rejects.toThrow(UnsupportedError);
  });

  it("is the relaxed binary where the runtime knows relaxed SIMD, unless the caller wants the other", async () => {
    const nameOf = async (variant?: "simd" | "relaxed-simd"): Promise<string> => {
      await using kernels = await createWasmKernels(variant === undefined ? {} : { variant });
      return kernels.name;
    };
    expect(await nameOf("simd")).toBe("wasm-simd");
    expect(await nameOf()).toBe(supportsRelaxedSimd() ? "wasm-relaxed-simd" : "wasm-simd");
    if (supportsRelaxedSimd()) expect(await nameOf("relaxed-simd")).toBe("wasm-relaxed-simd");
    else await expect(nameOf("relaxed-simd")).rejects.toThrow(UnsupportedError);
    await expect(createWasmKernels({ variant: "fast" as "simd" })).rejects.toThrow(InvalidArgumentError);
  });

  it("is not loaded once the caller has given up", async () => {
    const reason = new Error("enough");
    await expect(createWasmKernels({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
