/** Every call against the formula in plain float64, and the same bits with any number of threads. */
import { createHash } from "node:crypto";
import type { FloatBuffer, GradientKernels } from "@stepdown/core";
import { describe, expect, it } from "vitest";
import { createWasmGradientKernels } from "./create-wasm-gradient-kernels.js";

/** Of the largest magnitude: float32 sums of up to thousands of terms. */
const TOLERANCE = 1e-5;

function noise(length: number, seed: number): Float32Array {
  return Float32Array.from(
    { length },
    (_, i) => Math.sin((i + 1) * (seed + 0.37) * 1.7) + 0.3 * Math.cos(i * i + seed),
  );
}

function put(kernels: GradientKernels, values: Float32Array): FloatBuffer {
  const buffer = kernels.allocate(values.length);
  kernels.write(buffer, values);
  return buffer;
}

function difference(found: Float32Array, expected: ArrayLike<number>): number {
  let [largest, scale] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(found[i]! - expected[i]!));
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return found.length === expected.length && !Number.isNaN(largest) ? largest / scale : Number.POSITIVE_INFINITY;
}

/** The slope of `f` at `x` along every coordinate, by central differences in float64. */
function slopes(x: Float32Array, f: (x: Float64Array) => number, step = 1e-5): Float64Array {
  const at = Float64Array.from(x);
  return Float64Array.from(x, (_, i) => {
    const kept = at[i]!;
    at[i] = kept + step;
    const above = f(at);
    at[i] = kept - step;
    const below = f(at);
    at[i] = kept;
    return (above - below) / (2 * step);
  });
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

describe("products of the backward pass", () => {
  const shapes = [
    [1, 1, 1],
    [3, 7, 5],
    [4, 8, 256],
    [33, 41, 300],
    [130, 9, 70],
    [5, 70, 4200],
  ] as const;
  for (const [rows, columns, depth] of shapes)
    for (const transposed of ["neither", "left", "right", "both"])
      it(`of ${rows} × ${depth} × ${columns} with ${transposed} transposed are sums in any mode`, async () => {
        await using kernels = await createWasmGradientKernels();
        const [left, right] = [noise(rows * depth, 1), noise(depth * columns, 2)];
        const [a, b] = [put(kernels, left), put(kernels, right)];
        const scale = noise(depth, 3);
        const leftTurned = transposed === "left" || transposed === "both";
        const rightTurned = transposed === "right" || transposed === "both";
        const call = {
          left: { buffer: a, rowStride: leftTurned ? 1 : depth, columnStride: leftTurned ? rows : 1 },
          right: { buffer: b, rowStride: rightTurned ? 1 : columns, columnStride: rightTurned ? depth : 1 },
          ...{ rows, columns, depth },
        };
        for (const mode of ["store", "add", "add-square"] as const)
          for (const scaled of [false, true]) {
            const before = noise(rows * columns, 4);
            const target = put(kernels, before);
            const output = { buffer: target, rowStride: columns, columnStride: 1 };
            kernels.multiply({ ...call, output, mode, ...(scaled && { scale: put(kernels, scale) }) });
            const expected = Float64Array.from(before, (old, index) => {
              const [i, j] = [Math.floor(index / columns), index % columns];
              let sum = 0;
              for (let d = 0; d < depth; d++)
                sum +=
                  (scaled ? scale[d]! : 1) *
                  left[leftTurned ? d * rows + i : i * depth + d]! *
                  right[rightTurned ? j * depth + d : d * columns + j]!;
              return mode === "store" ? sum : mode === "add" ? old + sum : old + sum * sum;
            });
            expect(difference(kernels.read(target), expected)).toBeLessThan(TOLERANCE);
          }
      });

  it("write nothing outside rows, columns and offset, and only what is on or above the diagonal where asked", async () => {
    await using kernels = await createWasmGradientKernels();
    const x = put(kernels, noise(21 * 50, 1));
    const target = put(kernels, new Float32Array(30 * 30).fill(7));
    const side = { rows: 21, columns: 21, depth: 50 };
    const left = { buffer: x, rowStride: 50, columnStride: 1 };
    const right = { buffer: x, rowStride: 1, columnStride: 50 };
    kernels.multiply({ left, right, output: { buffer: target, rowStride: 30, columnStride: 1, offset: 62 }, ...side });
    const whole = kernels.read(target);
    const isInside = (index: number): boolean => index >= 62 && (index - 62) % 30 < 21 && index - 62 < 21 * 30;
    expect(whole.every((value, index) => (value !== 7) === isInside(index))).toBe(true);
    const half = kernels.allocate(21 * 21);
    kernels.multiply({ left, right, output: { buffer: half, rowStride: 21, columnStride: 1 }, ...side, upper: true });
    const values = kernels.read(half);
    for (let i = 0; i < 21; i++) for (let j = i; j < 21; j++) expect(values[i * 21 + j]).toBe(whole[62 + i * 30 + j]);
    expect(values[20 * 21]).toBe(0);
  });
});

describe("gradients", () => {
  const [rows, columns, epsilon] = [5, 13, 1e-5];
  for (const kind of ["rms", "layer"] as const)
    it(`of a ${kind} norm are the slopes of its values`, async () => {
      await using kernels = await createWasmGradientKernels();
      const [x, weight, bias, gradient] = [noise(65, 1), noise(13, 2), noise(13, 3), noise(65, 4)];
      const norm = (values: ArrayLike<number>): number[] => {
        const result: number[] = [];
        for (let row = 0; row < rows; row++) {
          const v = Array.from({ length: columns }, (_, k) => values[row * columns + k]!);
          const mean = kind === "layer" ? v.reduce((a, b) => a + b) / columns : 0;
          const r = 1 / Math.sqrt(v.reduce((sum, a) => sum + (a - mean) ** 2, 0) / columns + epsilon);
          result.push(...v.map((a, k) => (a - mean) * r * weight[k]! + (kind === "layer" ? bias[k]! : 0)));
        }
        return result;
      };
      const [input, output] = [put(kernels, x), kernels.allocate(65)];
      const shared = { kind, input, weight: put(kernels, weight), epsilon, rows, columns };
      kernels.normalize({ ...shared, output, ...(kind === "layer" && { bias: put(kernels, bias) }) });
      expect(difference(kernels.read(output), norm(x))).toBeLessThan(TOLERANCE);
      const expected = slopes(x, (at) => dot(norm(at), gradient));
      const outputGradient = put(kernels, gradient);
      const before = noise(65, 5);
      const inputGradient = put(kernels, before);
      kernels.normalizeBackward({ ...shared, outputGradient, inputGradient, adds: true });
      expect(
        difference(
          kernels.read(inputGradient),
          expected.map((v, i) => v + before[i]!),
        ),
      ).toBeLessThan(TOLERANCE);
      kernels.normalizeBackward({ ...shared, outputGradient, inputGradient: outputGradient });
      expect(difference(kernels.read(outputGradient), expected)).toBeLessThan(TOLERANCE);
    });

  it("of silu(gate) · up are the slopes of its values, and zero far below zero", async () => {
    await using kernels = await createWasmGradientKernels();
    const [gate, up, gradient] = [noise(37, 1), noise(37, 2), noise(37, 3)];
    gate[5] = -1e4;
    const value = (g: ArrayLike<number>, u: ArrayLike<number>): number[] =>
      Array.from(gradient, (_, i) => (u[i]! * g[i]!) / (1 + Math.exp(-g[i]!)));
    const [g, u, output] = [put(kernels, gate), put(kernels, up), kernels.allocate(37)];
    kernels.gate(g, u, output, 37);
    expect(difference(kernels.read(output), value(gate, up))).toBeLessThan(TOLERANCE);
    kernels.gateBackward(g, u, put(kernels, gradient), 37);
    const byGate = slopes(gate, (at) => dot(value(at, up), gradient));
    expect(difference(kernels.read(g), byGate)).toBeLessThan(TOLERANCE);
    expect(
      difference(
        kernels.read(u),
        slopes(up, (at) => dot(value(gate, at), gradient)),
      ),
    ).toBeLessThan(TOLERANCE);
    expect(kernels.read(g)[5]).toBeCloseTo(0);
  });

  it("of the cross-entropy are softmax minus one at the target; rows without a target have none", async () => {
    await using kernels = await createWasmGradientKernels();
    const [length, factor] = [531, 0.25];
    const logits = noise(3 * length, 2).map((v) => 40 * v);
    const targets = Int32Array.of(530, -1, 7);
    const buffer = put(kernels, logits);
    const losses = kernels.crossEntropy({ logits: buffer, targets, rows: 3, columns: length, factor });
    const found = kernels.read(buffer);
    targets.forEach((target, row) => {
      const values = Array.from(logits.subarray(row * length, (row + 1) * length));
      const sum = values.reduce((total, v) => total + Math.exp(v), 0);
      const wanted = values.map((v, k) => (target < 0 ? 0 : factor * (Math.exp(v) / sum - (k === target ? 1 : 0))));
      expect(losses[row]).toBeCloseTo(target < 0 ? 0 : Math.log(sum) - values[target]!, 4);
      const gradient = found.slice(row * length, (row + 1) * length);
      expect(Math.max(...wanted.map((v, k) => Math.abs(gradient[k]! - v)))).toBeLessThan(TOLERANCE * factor);
    });
  });

  for (const window of [undefined, 9])
    it(`of attention with ${window ?? "no"} window are the slopes of its values`, async () => {
      await using kernels = await createWasmGradientKernels();
      const [tokens, heads, keyValueHeads, d, scale] = [70, 4, 2, 6, 0.4];
      const [q, k, v] = [
        noise(tokens * heads * d, 1),
        noise(tokens * keyValueHeads * d, 2),
        noise(tokens * keyValueHeads * d, 3),
      ];
      const gradient = noise(tokens * heads * d, 4);
      const attend = (Q: ArrayLike<number>, K: ArrayLike<number>, V: ArrayLike<number>): number[] => {
        const result = new Array<number>(tokens * heads * d).fill(0);
        for (let t = 0; t < tokens; t++)
          for (let h = 0; h < heads; h++) {
            const g = Math.floor((h * keyValueHeads) / heads);
            const from = Math.max(0, t - (window ?? tokens) + 1);
            const scores: number[] = [];
            for (let s = from; s <= t; s++) {
              let sum = 0;
              for (let i = 0; i < d; i++) sum += Q[(t * heads + h) * d + i]! * K[(s * keyValueHeads + g) * d + i]!;
              scores.push(Math.exp(sum * scale));
            }
            const total = scores.reduce((a, b) => a + b);
            scores.forEach((score, j) => {
              for (let i = 0; i < d; i++)
                result[(t * heads + h) * d + i]! += (score / total) * V[((from + j) * keyValueHeads + g) * d + i]!;
            });
          }
        return result;
      };
      const shared = {
        ...{ queries: put(kernels, q), keys: put(kernels, k), values: put(kernels, v) },
        ...{ tokens, heads, keyValueHeads, headDimension: d, scale, ...(window && { window }) },
      };
      const output = kernels.allocate(q.length);
      kernels.attend({ ...shared, output });
      expect(difference(kernels.read(output), attend(q, k, v))).toBeLessThan(TOLERANCE);
      const outputGradient = put(kernels, gradient);
      const [queryGradient, keyGradient, valueGradient] = [q, k, v].map((x) => kernels.allocate(x.length)) as [
        FloatBuffer,
        FloatBuffer,
        FloatBuffer,
      ];
      kernels.attendBackward({ ...shared, outputGradient, queryGradient, keyGradient, valueGradient });
      // Along random directions: the full slopes of this many numbers would take minutes.
      for (let direction = 10; direction < 16; direction++) {
        const along = [noise(q.length, direction), noise(k.length, direction + 0.1), noise(v.length, direction + 0.2)];
        const at = (step: number): number => {
          const moved = [q, k, v].map((x, i) => Float64Array.from(x, (value, j) => value + step * along[i]![j]!));
          return dot(attend(moved[0]!, moved[1]!, moved[2]!), gradient);
        };
        const expected = (at(1e-5) - at(-1e-5)) / 2e-5;
        const found = [queryGradient, keyGradient, valueGradient].map((b, i) => dot(kernels.read(b), along[i]!));
        expect(Math.abs(found.reduce((a, b) => a + b) - expected)).toBeLessThan(
          2e-5 * Math.max(10, Math.abs(expected)),
        );
      }
    });

  it("of a rotation are the rotation undone", async () => {
    await using kernels = await createWasmGradientKernels();
    const x = noise(7 * 3 * 10, 1);
    const angles = noise(7 * 4, 2);
    const target = put(kernels, x);
    const call = {
      ...{ target, cosines: put(kernels, angles.map(Math.cos)), sines: put(kernels, angles.map(Math.sin)) },
      ...{ tokens: 7, heads: 3, headDimension: 10, rotaryDimension: 8 },
    };
    kernels.rotate(call);
    const turned = kernels.read(target);
    expect(turned[4]).toBeCloseTo(x[4]! * Math.cos(angles[0]!) + x[0]! * Math.sin(angles[0]!), 5);
    expect(turned[9]).toBe(x[9]);
    kernels.rotate({ ...call, inverse: true });
    expect(difference(kernels.read(target), x)).toBeLessThan(TOLERANCE);
  });
});

describe("threads of the backward pass", () => {
  it("change no bits, sleep and wake, and keep up with memory that grows", async () => {
    const results: string[][] = [];
    for (const threads of [1, 2, 3]) {
      await using kernels = await createWasmGradientKernels({ threads });
      expect(kernels.threads).toBe(threads);
      const x = put(kernels, noise(200 * 300, 1));
      const found: string[] = [];
      for (let round = 0; round < 4; round++) {
        const output = { buffer: kernels.allocate(300 * 300), rowStride: 300, columnStride: 1 };
        const left = { buffer: x, rowStride: 1, columnStride: 300 };
        const right = { buffer: x, rowStride: 300, columnStride: 1 };
        kernels.multiply({ left, right, output, rows: 300, columns: 300, depth: 200, mode: "add-square" });
        const length = 200 * 300;
        const attention = { queries: x, keys: x, values: x, output: kernels.allocate(length) };
        kernels.attend({ ...attention, tokens: 200, heads: 6, keyValueHeads: 6, headDimension: 50, scale: 0.1 });
        for (const buffer of [output.buffer, attention.output])
          found.push(
            createHash("sha256")
              .update(new Uint8Array(kernels.read(buffer).buffer))
              .digest("hex"),
          );
        kernels.allocate(2 << 20);
        if (round === 1) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      results.push(found);
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it("take no buffers of others, too short ones or impossible shapes", async () => {
    await using kernels = await createWasmGradientKernels();
    await using others = await createWasmGradientKernels();
    const short = kernels.allocate(10);
    expect(() => kernels.add(short, others.allocate(10), 10)).toThrow(/no buffer of this/);
    expect(() => kernels.add(short, short, 11)).toThrow(/11 numbers are needed/);
    expect(() => kernels.write(short, new Float32Array(4), 7)).toThrow(/not inside/);
    const matrix = { buffer: short, rowStride: 5, columnStride: 1 };
    const call = { left: matrix, right: matrix, output: matrix, rows: 2, columns: 2, depth: 0 };
    expect(() => kernels.multiply(call)).toThrow(/depth/);
    expect(() => kernels.multiply({ ...call, depth: 6 })).toThrow(/numbers are needed/);
    await expect(createWasmGradientKernels({ threads: 0 })).rejects.toThrow(/threads/);
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(createWasmGradientKernels({ signal })).rejects.toThrow("stop");
  });
});
