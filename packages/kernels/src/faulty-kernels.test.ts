/**
 * The contract suite judged by what it notices: reference kernels, each with one plausible fault, must fail it.
 */
import type { FloatBuffer, KernelSet, LinearCall } from "@stepdown/core";
import { describeKernelSet, type TestRunner } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { createReferenceKernels } from "./reference-kernels.js";

type Overrides = (kernels: KernelSet) => Partial<KernelSet>;

/** Reference kernels with some members replaced; everything else works on the original. */
function withFault(overrides: Overrides): KernelSet {
  const kernels = createReferenceKernels();
  const replaced: Partial<KernelSet> = overrides(kernels);
  return new Proxy(kernels, {
    get(target, name: keyof KernelSet) {
      const member = replaced[name] ?? target[name];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** Names of the suite's tests, of those that are wanted, that fail. */
async function failures(overrides: Overrides, isWanted: (name: string) => boolean): Promise<string[]> {
  const tests: [string, () => void | Promise<void>][] = [];
  const runner: TestRunner = { describe: (_, body) => body(), it: (name, body) => tests.push([name, body]) };
  describeKernelSet("faulty", async () => withFault(overrides), createReferenceKernels, runner);
  const failed: string[] = [];
  for (const [name, body] of tests.filter(([name]) => isWanted(name))) {
    try {
      await body();
    } catch {
      failed.push(name);
    }
  }
  return failed;
}

/** A `linear` that adds something to its first output after the right result was computed. */
const changedLinear =
  (change: (addend: Float32Array, call: LinearCall) => void): Overrides =>
  (kernels) => ({
    linear(call) {
      kernels.linear(call);
      const addend = new Float32Array(call.weights[0]!.rows * call.tokens);
      change(addend, call);
      const delta = kernels.allocate(addend.length);
      kernels.write(delta, addend);
      kernels.add(call.outputs[0]!, delta, addend.length);
      kernels.free(delta);
    },
  });

/** A `linear` that also writes the number behind its first output. */
const linearBeyondItsEnd: Overrides = (kernels) => {
  const windows = new Map<FloatBuffer, { parent: FloatBuffer; end: number }>();
  return {
    view(parent, offset, length) {
      const made = kernels.view(parent, offset, length);
      windows.set(made, { parent, end: offset + length });
      return made;
    },
    linear(call) {
      kernels.linear(call);
      const window = windows.get(call.outputs[0]!);
      if (window !== undefined) kernels.write(window.parent, Float32Array.of(0), window.end);
    },
  };
};

/** What is wrong, how, and the test that has to notice. */
const faults: readonly (readonly [what: string, overrides: Overrides, test: RegExp])[] = [
  [
    "a lowest plane that is not read",
    (kernels) => ({
      linear: (call) => {
        const lower = Math.max(call.precision - 1, call.weights[0]!.precisions[0] ?? 1);
        kernels.linear({ ...call, precision: lower });
      },
    }),
    /multiplies uniform weights of odd shapes/,
  ],
  [
    "a last row that is a little off",
    changedLinear((numbers, { weights }) => {
      numbers[weights[0]!.rows - 1] = 0.01;
    }),
    /multiplies codebook weights of odd shapes/,
  ],
  [
    "a bias that is left out",
    (kernels) => ({ linear: ({ biases: _, ...call }) => kernels.linear(call) }),
    /several weights of different codecs/,
  ],
  ["an output written beyond its end", linearBeyondItsEnd, /multiplies dense weights/],
  ["different bits from run to run", changedLinear((numbers) => numbers.fill(Math.random() * 1e-5)), /same bits/],
  [
    "embedding the wrong row for repeated ids",
    (kernels) => ({
      embed: (call) => kernels.embed({ ...call, ids: call.ids.map((id, at) => (at === 8 ? 0 : id)) }),
    }),
    /embeds rows of every codec/,
  ],
  [
    "an epsilon that is forgotten",
    (kernels) => ({ rmsNormalize: (call) => kernels.rmsNormalize({ ...call, epsilon: 0 }) }),
    /root mean square/,
  ],
  [
    "a layer norm without its bias",
    (kernels) => ({ layerNormalize: ({ bias: _, ...call }) => kernels.layerNormalize(call) }),
    /mean and variance/,
  ],
  [
    "a rotation from position 0",
    (kernels) => ({ rotate: (call) => kernels.rotate({ ...call, position: 0 }) }),
    /rotates the leading elements/,
  ],
  [
    "a rotation of whole heads",
    (kernels) => ({
      rotate: (call) => kernels.rotate(call.headDimension === 6 ? { ...call, rotaryDimension: 2 } : call),
    }),
    /rotates the leading elements/,
  ],
  [
    "an add that goes too far",
    (kernels) => ({ add: (target, source) => kernels.add(target, source, Math.min(target.length, source.length)) }),
    /adds exactly/,
  ],
  [
    "a silu of more numbers than asked",
    (kernels) => ({ siluMultiply: (gate, up) => kernels.siluMultiply(gate, up, gate.length) }),
    /multiplies with silu/,
  ],
  [
    "a softmax over all rows at once",
    (kernels) => ({ softmax: (buffer, rows, columns) => kernels.softmax(buffer, 1, rows * columns) }),
    /takes the softmax/,
  ],
  [
    "a window that is ignored",
    (kernels) => ({ attend: ({ window: _, ...call }) => kernels.attend(call) }),
    /attends over a window/,
  ],
  [
    "a window that is one too long",
    (kernels) => ({ attend: (call) => kernels.attend(call.window ? { ...call, window: call.window + 1 } : call) }),
    /attends over a window/,
  ],
  [
    "a score factor that is left out",
    (kernels) => ({ attend: (call) => kernels.attend({ ...call, scale: 1 }) }),
    /attends causally/,
  ],
  [
    "a block that is confused with another",
    (kernels) => ({ attend: (call) => kernels.attend({ ...call, block: 0 }) }),
    /attends causally/,
  ],
  [
    "a cache of halves that keeps float32",
    (kernels) => ({ createKeyValueCache: (shape) => kernels.createKeyValueCache({ ...shape, type: "f32" }) }),
    /reads keys and values back/,
  ],
  [
    "keys and values read from the wrong position",
    (kernels) => ({
      readKeyValues: (cache, block, from, to) =>
        kernels.readKeyValues(cache, block, Math.max(0, from - 1), to - (from > 0 ? 1 : 0)),
    }),
    /reads keys and values back/,
  ],
  [
    "a buffer that is not cleared",
    (kernels) => ({
      allocate: (length) => {
        const buffer = kernels.allocate(length);
        kernels.write(buffer, Float32Array.of(1));
        return buffer;
      },
    }),
    /allocates zeros/,
  ],
  [
    "shapes that are not checked",
    (kernels) => ({
      linear: (call) => {
        try {
          kernels.linear(call);
        } catch {}
      },
    }),
    /refuses calls of linear/,
  ],
  ["frees that are not noticed", () => ({ free: () => {} }), /refuses freed buffers/],
  [
    "precisions that are silently lowered",
    (kernels) => ({
      linear: (call) =>
        kernels.linear({ ...call, precision: Math.min(call.precision, call.weights[0]!.precisions.at(-1)!) }),
    }),
    /refuses precisions that a weight does not hold/,
  ],
  [
    "a codec that is claimed but refused",
    (kernels) => ({
      prepareLinear: async (weight, options) => {
        if (weight.codec === "bcq") throw new Error("not today");
        return kernels.prepareLinear(weight, options);
      },
    }),
    /multiplies bcq weights of odd shapes/,
  ],
  [
    "a codec that works but is not claimed",
    (kernels) => ({ capabilities: { ...kernels.capabilities, codecs: { dense: [16, 32], bcq: [2, 3, 4] } } }),
    /multiplies codebook weights of odd shapes/,
  ],
];

describe("describeKernelSet", () => {
  it("is content, in all of these tests, with kernels that have no fault", async () => {
    expect(
      await failures(
        () => ({}),
        (name) => faults.some(([, , test]) => test.test(name)),
      ),
    ).toEqual([]);
  });

  it.each(faults)("notices %s", async (_, overrides, test) => {
    expect(await failures(overrides, (name) => test.test(name))).toHaveLength(1);
  });
});
