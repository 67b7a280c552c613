import { type FloatBuffer, InvalidArgumentError, type KernelSet, type UniformWeight } from "@stepdown/core";
import { beforeEach, describe, expect, it } from "vitest";
import { createReferenceKernels } from "./reference-kernels.js";

let kernels: KernelSet;
beforeEach(() => {
  kernels = createReferenceKernels();
});

function buffer(...values: number[]): FloatBuffer {
  const made = kernels.allocate(values.length);
  kernels.write(made, Float32Array.from(values));
  return made;
}

const rounded = (values: readonly number[]): number[] => values.map(Math.fround);
const numbers = async (source: FloatBuffer): Promise<number[]> => [...(await kernels.read(source))];

describe("createReferenceKernels: values worked out by hand", () => {
  it("multiplies several weights with one input, biases where there are any", async () => {
    const first = await kernels.prepareLinear({
      codec: "dense",
      type: "f32",
      rows: 2,
      columns: 3,
      data: Float32Array.of(1, 2, 3, -1, 0, 1),
    });
    const uniform: UniformWeight = {
      codec: "uniform",
      rows: 1,
      columns: 3,
      seedBits: 1,
      bits: 2,
      planes: [Uint8Array.of(0b101), Uint8Array.of(0b011)],
      scales: Float32Array.of(4),
    };
    const second = await kernels.prepareLinear(uniform);
    const input = buffer(1, 1, 1, 2, 0, -1);
    const outputs = [buffer(9, 9, 9, 9), buffer(9, 9)];
    const biases = [undefined, buffer(100)];
    kernels.linear({ weights: [first, second], precision: 2, input, outputs, tokens: 2, biases });
    expect(await numbers(outputs[0]!)).toEqual([6, 0, -1, -3]);
    // Labels 3, 1, 2 at scale 4: weights 3, -1, 1.
    expect(await numbers(outputs[1]!)).toEqual([103, 105]);
    kernels.linear({ weights: [first, second], precision: 1, input, outputs, tokens: 2 });
    expect(await numbers(outputs[1]!)).toEqual([2, 2]);
  });

  it("looks up rows of a table in the order of the ids", async () => {
    const data = Float32Array.of(1, 2, 3, 4, 5, 6);
    const table = await kernels.prepareLinear({ codec: "dense", type: "f32", rows: 3, columns: 2, data });
    data.fill(0);
    const output = kernels.allocate(6);
    kernels.embed({ table, precision: 32, ids: [2, 0, 2], output });
    expect(await numbers(output)).toEqual([5, 6, 1, 2, 5, 6]);
  });

  it("normalizes by root mean square and by mean and variance, also in place", async () => {
    const input = buffer(3, 4, -6, 8);
    const output = kernels.allocate(4);
    const call = { input, weight: buffer(1, 2), epsilon: 0, tokens: 2, columns: 2 };
    kernels.rmsNormalize({ ...call, output });
    expect(await numbers(output)).toEqual(rounded([3 / 12.5 ** 0.5, 8 / 12.5 ** 0.5, -6 / 50 ** 0.5, 16 / 50 ** 0.5]));
    kernels.layerNormalize({ ...call, output: input, bias: buffer(10, 20) });
    expect(await numbers(input)).toEqual([9, 22, 9, 22]);
    kernels.rmsNormalize({ ...call, input: buffer(0, 0), epsilon: 1e-5, output, tokens: 1 });
    expect(await numbers(kernels.view(output, 0, 2))).toEqual([0, 0]);
  });

  it("turns halves of each head by the angle of the token's position and leaves the rest alone", async () => {
    const target = buffer(1, 2, 7, 3, 4, 8);
    const cosines = buffer(1, 0, -1);
    const sines = buffer(0, 1, 0);
    const shape = { tokens: 2, heads: 1, headDimension: 3, rotaryDimension: 2, position: 1 };
    kernels.rotate({ target, cosines, sines, ...shape });
    expect(await numbers(target)).toEqual([-2, 1, 7, -3, -4, 8]);
  });

  it("weights values by the softmax of scaled scores, heads in groups, tokens causally, within the window", async () => {
    const cache = kernels.createKeyValueCache({ blocks: 2, keyValueHeads: 1, headDimension: 1, capacity: 3 });
    const log = Math.log;
    kernels.storeKeyValues({ cache, block: 1, keys: buffer(log(2), 0), values: buffer(3, 6), tokens: 2, position: 0 });
    kernels.storeKeyValues({ cache, block: 1, keys: buffer(log(4)), values: buffer(9), tokens: 1, position: 2 });
    const output = kernels.allocate(4);
    const call = { cache, block: 1, queries: buffer(2, 4, 2, 4), output, tokens: 2, heads: 2, position: 1, scale: 0.5 };
    kernels.attend(call);
    // Head 0 has weights 2 : 1 : 4, head 1 has 4 : 1 : 16; token 1 does not see the third position.
    const expected = [12 / 3, 18 / 5, (6 + 6 + 36) / 7, (12 + 6 + 144) / 21];
    (await numbers(output)).forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index]!, 6);
    });
    kernels.attend({ ...call, window: 2 });
    const windowed = [12 / 3, 18 / 5, (6 + 36) / 5, (6 + 144) / 17];
    (await numbers(output)).forEach((value, index) => {
      expect(value).toBeCloseTo(windowed[index]!, 6);
    });
    kernels.attend({ ...call, queries: buffer(2000, 2000, 2000, 2000) });
    expect(await numbers(output)).toEqual([3, 3, 9, 9]);
  });

  it("gives keys and values back head by head, rounded where the cache holds halves", async () => {
    for (const type of ["f32", "f16"] as const) {
      const shape = { blocks: 1, keyValueHeads: 2, headDimension: 1, capacity: 500, type };
      const cache = kernels.createKeyValueCache(shape);
      for (let position = 0; position < 300; position += 2)
        kernels.storeKeyValues({
          cache,
          block: 0,
          keys: buffer(0.1, 2, 3, 4),
          values: buffer(5, 6, 7, position),
          tokens: 2,
          position,
        });
      const read = await kernels.readKeyValues(cache, 0, 200, 203);
      const tenth = type === "f16" ? 0.0999755859375 : Math.fround(0.1);
      expect([...read.keys]).toEqual([tenth, 3, tenth, 2, 4, 2]);
      expect([...read.values]).toEqual([5, 7, 5, 6, 200, 6]);
      expect(read).toMatchObject({ keyValueHeads: 2, positions: 3, headDimension: 1 });
      await expect(kernels.readKeyValues(cache, 0, 0, 301)).rejects.toThrow(InvalidArgumentError);
    }
  });

  it("adds, multiplies with silu and takes the softmax of rows", async () => {
    const target = buffer(1, 2, 3);
    kernels.add(target, buffer(10, 20, 30), 2);
    expect(await numbers(target)).toEqual([11, 22, 3]);
    const gate = buffer(0, 1, -200);
    kernels.siluMultiply(gate, buffer(5, 2, 3), 3);
    const [zero, one, small] = await numbers(gate);
    expect(zero).toBe(0);
    expect(one).toBeCloseTo(2 / (1 + Math.exp(-1)), 6);
    expect(Math.abs(small!)).toBeLessThan(1e-30);
    const rows = buffer(Math.log(1), Math.log(3), 1e4, 1e4);
    kernels.softmax(rows, 2, 2);
    expect(await numbers(rows)).toEqual([0.25, 0.75, 0.5, 0.5]);
  });
});

describe("createReferenceKernels: refusals", () => {
  it("says which argument is too short and by how much", async () => {
    const dense = { codec: "dense", type: "f32", rows: 2, columns: 3, data: new Float32Array(6) } as const;
    const weight = await kernels.prepareLinear(dense);
    const call = { weights: [weight], precision: 32, input: buffer(1, 2, 3), outputs: [buffer(0)], tokens: 1 };
    expect(() => kernels.linear(call)).toThrow("linear: outputs[0]: 2 numbers are needed, the buffer holds 1.");
  });

  it("refuses an output that overlaps a part of a norm's input", () => {
    const memory = kernels.allocate(8);
    const call = { input: kernels.view(memory, 0, 4), output: kernels.view(memory, 2, 4), weight: buffer(1, 1) };
    expect(() => kernels.rmsNormalize({ ...call, epsilon: 0, tokens: 2, columns: 2 })).toThrow(InvalidArgumentError);
  });

  it("refuses everything after it was disposed of", async () => {
    const held = buffer(1, 2);
    await kernels[Symbol.asyncDispose]();
    await kernels[Symbol.asyncDispose]();
    expect(() => kernels.allocate(1)).toThrow(InvalidArgumentError);
    await expect(kernels.read(held)).rejects.toThrow(InvalidArgumentError);
  });

  it("stops preparing when the signal is aborted", async () => {
    const weight = { codec: "dense", type: "f32", rows: 1, columns: 1, data: new Float32Array(1) } as const;
    const reason = new Error("enough");
    await expect(kernels.prepareLinear(weight, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
