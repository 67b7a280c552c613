import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CodebookWeight } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, it } from "vitest";
import { dequantizeLinear } from "./dequantize-linear.js";
import { float16ToNumber } from "./float16.js";

/** Largest relative rounding error of a half, and the spacing of its smallest numbers. */
const HALF_ROUNDING = 2 ** -11;
const HALF_STEP = 2 ** -24;

interface GoldenCase {
  name: string;
  rows: number;
  columns: number;
  seedBits: number;
  parentBits: number;
}

const folder = goldenPath("any-precision");
const cases: GoldenCase[] = folder ? JSON.parse(readFileSync(join(folder, "index.json"), "utf8")).cases : [];

/** Bytes of the tensors of a safetensors file, by name. */
function readTensors(path: string): (name: string) => ArrayBuffer {
  const file = readFileSync(path);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + headerBytes));
  return (name) => {
    const [from, to] = header[name].data_offsets.map((offset: number) => offset + 8 + headerBytes);
    return file.buffer.slice(file.byteOffset + from, file.byteOffset + to) as ArrayBuffer;
  };
}

/** Planes of this project from the reference's packed words, whose columns are interleaved in chunks of 1024. */
function planesFromWords(words: Uint32Array, { rows, columns, parentBits }: GoldenCase): Uint8Array[] {
  const stride = Math.ceil(columns / 8);
  return Array.from({ length: parentBits }, (_, plane) => {
    const bytes = new Uint8Array(rows * stride);
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < columns; k++) {
        const chunk = Math.floor(k / 1024);
        const threads = 1024 * (chunk + 1) <= columns ? 32 : (columns % 1024) / 32;
        const run = Math.floor((k % 1024) / 8);
        const word = 32 * chunk + (run % threads);
        const bit = 31 - 8 * Math.floor(run / threads) - (k % 8);
        const value = (words[(plane * rows + row) * (columns / 32) + word]! >>> bit) & 1;
        bytes[row * stride + (k >> 3)]! |= value << (k & 7);
      }
    }
    return bytes;
  });
}

describe.skipIf(!folder)(folder ? "golden nested weights" : skipReason("golden nested weights"), () => {
  it.each(cases.map((golden) => [golden.name, golden] as const))("dequantizes %s at every precision", (_, golden) => {
    const { rows, columns, seedBits, parentBits } = golden;
    const tensor = readTensors(join(folder!, `${golden.name}.safetensors`));
    const precisions = Array.from({ length: parentBits - seedBits + 1 }, (_, index) => seedBits + index);
    const weight: CodebookWeight = {
      codec: "codebook",
      rows,
      columns,
      seedBits,
      bits: parentBits,
      planes: planesFromWords(new Uint32Array(tensor("qweight")), golden),
      tables: new Map(precisions.map((p) => [p, new Uint16Array(tensor(`lut${p}`))])),
    };
    const labels = new Uint8Array(tensor("labels"));
    for (const p of precisions) {
      const stored = new Uint16Array(tensor(`lut${p}`));
      const computed = new Float32Array(tensor(`lut${p}_f32`));
      const entries = Array.from(
        labels,
        (label, index) => Math.floor(index / columns) * 2 ** p + (label >> (parentBits - p)),
      );
      const values = dequantizeLinear(weight, p);
      expect(values).toEqual(Float32Array.from(entries, (entry) => float16ToNumber(stored[entry]!)));
      const excess = entries.map((entry, index) => {
        const exact = computed[entry]!;
        return Math.abs(values[index]! - exact) - (Math.abs(exact) * HALF_ROUNDING + HALF_STEP);
      });
      expect(Math.max(...excess)).toBeLessThanOrEqual(0);
    }
  });
});
