import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidFileError, UnsupportedError } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countParameters, decoderLayout, linearsOfBlock } from "../model/decoder-layout.js";
import { rotaryFrequencies } from "../rotary/rotary-frequencies.js";
import { tinyConfig } from "../test-support/tiny-models.js";
import { architectures } from "./architectures.js";
import { readDecoderConfiguration } from "./read-decoder-configuration.js";

const read = (change: Record<string, unknown>) => readDecoderConfiguration({ ...tinyConfig, ...change });

/** What follows from a published configuration, as the reference files state it. */
interface ExpectedConfiguration {
  readonly config: string;
  readonly layers: number;
  readonly key_value_heads: number;
  readonly head_dim: number;
  readonly rotary_dim: number;
  readonly rope_theta: number;
  readonly norm: string;
  readonly norm_epsilon: number;
  readonly sliding_window: number | null;
  readonly tied_head: boolean;
  readonly context: number;
  readonly parameters: number;
  readonly nested_linear_weights: number;
  readonly nested_matrices: number;
}

const folder = goldenPath("configs");
const published = folder === undefined ? [] : readPublished(folder);

describe.skipIf(published.length === 0)(
  published.length === 0 ? skipReason("published configurations") : "published configurations",
  () => {
    it.each(published)("$name has the sizes and parameters it should have", ({ values, expected }) => {
      const c = readDecoderConfiguration(values);
      const layout = decoderLayout(c);
      const { parameters, nestedWeights } = countParameters(layout);
      expect({
        layers: c.blocks,
        key_value_heads: c.keyValueHeads,
        head_dim: c.headDimension,
        rotary_dim: c.rotary.dimension,
        rope_theta: c.rotary.theta,
        norm: c.norm,
        norm_epsilon: c.normEpsilon,
        sliding_window: c.windows[0] ?? null,
        tied_head: c.tiedHead,
        context: c.contextLength,
        parameters,
        nested_linear_weights: nestedWeights,
        nested_matrices: layout.blocks.flatMap((block) => linearsOfBlock(block)).length,
      }).toEqual(Object.fromEntries(Object.entries(expected).filter(([key]) => comparedKeys.has(key))));
    });
  },
);

const comparedKeys = new Set([
  ...["layers", "key_value_heads", "head_dim", "rotary_dim", "rope_theta", "norm", "norm_epsilon", "sliding_window"],
  ...["tied_head", "context", "parameters", "nested_linear_weights", "nested_matrices"],
]);

describe("a configuration", () => {
  it.each<[string, unknown]>([
    ["hidden_size", undefined],
    ["hidden_size", -3],
    ["hidden_size", "64"],
    ["hidden_size", 1e9],
    ["num_hidden_layers", 1.5],
    ["num_hidden_layers", 1e6],
    ["num_attention_heads", 6],
    ["num_key_value_heads", 3],
    ["num_key_value_heads", 8],
    ["head_dim", 0],
    ["vocab_size", 2 ** 31],
    ["rms_norm_eps", "small"],
    ["rope_theta", -1],
    ["rope_scaling", "linear"],
    ["eos_token_id", 40],
    ["eos_token_id", [1, "2"]],
    ["tie_word_embeddings", 1],
    ["attention_bias", "no"],
    ["architectures", []],
    ["architectures", "LlamaForCausalLM"],
  ])("with an impossible %s (%j) is refused by its name", (key, value) => {
    expect(() => read({ [key]: value })).toThrow(InvalidFileError);
    expect(() => read({ [key]: value })).toThrow(key);
  });

  it.each<[string, Record<string, unknown>]>([
    ["architecture", { architectures: ["GPT2LMHeadModel"] }],
    ["architecture", { architectures: ["__proto__"] }],
    ["activation", { hidden_act: "gelu" }],
    ["Rotary scaling", { rope_scaling: { rope_type: "yarn", factor: 4 } }],
    ["qk_layernorm", { architectures: ["StableLmForCausalLM"], qk_layernorm: true }],
  ])("with an unknown %s is called unsupported", (what, change) => {
    expect(() => read(change)).toThrow(UnsupportedError);
    expect(() => read(change)).toThrow(what);
  });

  it("of any values is read or refused with an error of this project", () => {
    const key = fc.constantFrom(
      ...Object.keys(tinyConfig),
      "rope_scaling",
      "rope_parameters",
      "head_dim",
      "sliding_window",
    );
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue(), { noNullPrototype: true }), (change) => {
        try {
          const c = read(change);
          expect(c.windows).toHaveLength(c.blocks);
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^(invalid-file|unsupported)$/);
        }
      }),
    );
  });

  it("takes one end id, several or none", () => {
    expect(read({ eos_token_id: [5, 7, 5] }).endOfSequenceIds).toEqual([5, 7]);
    expect(read({ eos_token_id: null }).endOfSequenceIds).toEqual([]);
  });

  it("slides its window where its architecture says so", () => {
    const windows = (change: Record<string, unknown>) => read(change).windows;
    const none = [undefined, undefined, undefined];
    expect(windows({ sliding_window: 8 })).toEqual(none);
    expect(windows({ architectures: ["MistralForCausalLM"], sliding_window: 8 })).toEqual([8, 8, 8]);
    expect(windows({ architectures: ["MistralForCausalLM"], sliding_window: null })).toEqual(none);
    expect(windows({ architectures: ["MistralForCausalLM"] })).toEqual([4096, 4096, 4096]);
    const qwen = { architectures: ["Qwen2ForCausalLM"], sliding_window: 8, max_window_layers: 2 };
    expect(windows(qwen)).toEqual(none);
    expect(windows({ ...qwen, use_sliding_window: true })).toEqual([undefined, undefined, 8]);
    const layer_types = ["sliding_attention", "full_attention", "full_attention"];
    expect(windows({ ...qwen, use_sliding_window: true, layer_types })).toEqual([8, undefined, undefined]);
  });

  it("scales rotary frequencies the same in both forms", () => {
    const scaling = { rope_type: "linear", factor: 4 };
    const classic = read({ rope_theta: 500, rope_scaling: scaling, partial_rotary_factor: 0.5 });
    const nested = read({
      rope_theta: 1,
      rope_parameters: { ...scaling, rope_theta: 500, partial_rotary_factor: 0.5 },
    });
    expect(nested.rotary).toEqual(classic.rotary);
    expect([...rotaryFrequencies(classic.rotary)]).toEqual([0.25, 0.25 * 500 ** -0.5]);
  });

  it("divides frequencies by the factors of a GGUF file", () => {
    const { rotary } = read({ rope_scaling: { rope_type: "custom-factors", factors: [1, 2, 4, 8] } });
    const plain = rotaryFrequencies(read({}).rotary);
    expect([...rotaryFrequencies(rotary)]).toEqual([...plain].map((frequency, i) => frequency / 2 ** i));
    const short = { rope_type: "custom-factors", factors: [1, 2] };
    expect(() => read({ rope_scaling: short })).toThrow(/factors/);
  });
});

function readPublished(root: string) {
  const index = JSON.parse(readFileSync(join(root, "expected.json"), "utf8")) as Record<string, ExpectedConfiguration>;
  return Object.entries(index).flatMap(([name, expected]) => {
    const values = JSON.parse(readFileSync(join(root, expected.config), "utf8")) as { architectures: string[] };
    return Object.hasOwn(architectures, values.architectures[0]!) ? [{ name, expected, values: { ...values } }] : [];
  });
}
