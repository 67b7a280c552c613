/** The WebAssembly of the baselines, with relaxed SIMD where the runtime knows it. */
import { UnsupportedError } from "@stepdown/core";
import { baselinesRelaxed } from "../generated/baselines-relaxed.js";
import { baselinesSimd } from "../generated/baselines-simd.js";

/** What the module exports; addresses are bytes. */
export interface BaselineExports {
  isRelaxed(): number;
  heapBase(): number;
  dotHalves(w: number, rows: number, columns: number, x: number, output: number, zero: number): void;
  scaleInput(x: number, columns: number, target: number): void;
  quantizeInput(x: number, columns: number, group: number, codes: number, scales: number, offsets: number): void;
  dotNibbles(
    w: number,
    scales: number,
    rows: number,
    columns: number,
    group: number,
    codes: number,
    inputScales: number,
    offsets: number,
    output: number,
    zero: number,
  ): void;
}

/** Which of the two binaries. */
export type BaselineVariant = "simd" | "relaxed-simd";

/** Whether this runtime can run a binary. */
export function supportsVariant(variant: BaselineVariant): boolean {
  return WebAssembly.validate(bytesOf(variant));
}

/** Starts the module over a memory with so many bytes behind its own. */
export async function startBaselines(
  bytes: number,
  variant: BaselineVariant = supportsVariant("relaxed-simd") ? "relaxed-simd" : "simd",
): Promise<{ exports: BaselineExports; memory: WebAssembly.Memory }> {
  if (!supportsVariant(variant)) {
    throw new UnsupportedError(
      `The tuned baselines need WebAssembly with ${variant}, which this runtime does not have.`,
    );
  }
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { instance } = await WebAssembly.instantiate(bytesOf(variant), { env: { memory } });
  const exports = instance.exports as unknown as BaselineExports;
  const missing = exports.heapBase() + bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
  return { exports, memory };
}

function bytesOf(variant: BaselineVariant): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(variant === "simd" ? baselinesSimd : baselinesRelaxed, "base64"));
}
