import { readFileSync } from "node:fs";
import { InvalidArgumentError, UnsupportedError } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, it } from "vitest";
import { createModelShape } from "./create-model-shape.js";
import { modelShapeFromConfig } from "./model-shape-from-config.js";
import { modelShapes } from "./model-shapes.js";
import { countParameters } from "./parameter-counts.js";

interface Expected {
  config: string;
  layers: number;
  heads: number;
  key_value_heads: number;
  head_dim: number;
  vocabulary: number;
  context: number;
  norm: string;
  sliding_window: number | null;
  tied_head: boolean;
  parameters: number;
  embedding_parameters: number;
  head_parameters: number;
  nested_linear_weights: number;
  block_linear_biases: number;
  norm_parameters: number;
  nested_matrices: number;
  matrices_of_a_block: Record<string, [number, number]>;
  bytes_of_one_bit_plane: number;
  key_value_cache_values_per_token: number;
}

const index = goldenPath("configs", "expected.json");
const expected: [string, Expected][] =
  index === undefined ? [] : Object.entries(JSON.parse(readFileSync(index, "utf8")) as Record<string, Expected>);

describe.skipIf(index === undefined)(
  index === undefined ? skipReason("configurations of published checkpoints") : "published checkpoints",
  () => {
    it("are listed", () => {
      expect(expected.length).toBeGreaterThan(0);
    });
    it.each(expected)("%s: sizes and counts follow from its configuration", (name, want) => {
      const config: unknown = JSON.parse(readFileSync(goldenPath("configs", want.config) as string, "utf8"));
      const shape = modelShapeFromConfig(config, { name });
      expect({
        layers: shape.blocks,
        heads: shape.heads,
        key_value_heads: shape.keyValueHeads,
        head_dim: shape.headDimension,
        vocabulary: shape.vocabularySize,
        context: shape.contextTokens,
        norm: shape.norm,
        sliding_window: shape.slidingWindow?.tokens ?? null,
        tied_head: shape.tiedHead,
      }).toEqual({
        layers: want.layers,
        heads: want.heads,
        key_value_heads: want.key_value_heads,
        head_dim: want.head_dim,
        vocabulary: want.vocabulary,
        context: want.context,
        norm: want.norm,
        sliding_window: want.sliding_window,
        tied_head: want.tied_head,
      });
      expect(Object.fromEntries(shape.linears.map((l) => [l.name, [l.rows, l.columns]]))).toEqual(
        want.matrices_of_a_block,
      );
      expect(countParameters(shape)).toEqual({
        parameters: want.parameters,
        embeddingParameters: want.embedding_parameters,
        headParameters: want.head_parameters,
        nestedLinearWeights: want.nested_linear_weights,
        blockLinearBiases: want.block_linear_biases,
        normParameters: want.norm_parameters,
        nestedMatrices: want.nested_matrices,
        bytesOfOneBitPlane: want.bytes_of_one_bit_plane,
        keyValueCacheValuesPerToken: want.key_value_cache_values_per_token,
      });
      const builtIn = modelShapes.get(name);
      if (builtIn !== undefined) expect(builtIn).toEqual(shape);
    });
  },
);

describe("the built-in shapes", () => {
  it("have the parameter counts their makers published", () => {
    const parameters = [...modelShapes].map(([name, shape]) => [name, countParameters(shape).parameters]);
    expect(Object.fromEntries(parameters)).toMatchObject({
      "lmsys/vicuna-7b-v1.5": 6_738_415_616,
      "HuggingFaceTB/SmolLM2-360M": 361_821_120,
      "meta-llama/Llama-3.1-8B": 8_030_261_248,
    });
  });
});

describe("impossible shapes", () => {
  const good = { name: "x", blocks: 2, hiddenSize: 64, feedForwardSize: 128, heads: 4, vocabularySize: 100 };
  it.each([
    [{ blocks: 0 }, /model\.blocks is 0/],
    [{ hiddenSize: 64.5 }, /model\.hiddenSize is 64\.5/],
    [{ heads: 5 }, /model\.heads is 5; allowed: a divisor of hiddenSize, which is 64/],
    [{ keyValueHeads: 3 }, /model\.keyValueHeads is 3; allowed: a divisor of heads, which is 4/],
    [{ vocabularySize: Number.NaN }, /model\.vocabularySize is NaN/],
    [{ feedForwardSize: 1e12 }, /model\.feedForwardSize is 1000000000000/],
    [{ slidingWindow: { tokens: 0, fromBlock: 0 } }, /slidingWindow\.tokens is 0/],
  ])("%j is refused, naming key, value and what is allowed", (change, message) => {
    expect(() => createModelShape({ ...good, ...change })).toThrow(InvalidArgumentError);
    expect(() => createModelShape({ ...good, ...change })).toThrow(message);
  });

  const config = {
    model_type: "llama",
    num_hidden_layers: 2,
    hidden_size: 64,
    intermediate_size: 128,
    num_attention_heads: 4,
    vocab_size: 100,
  };
  it.each([
    [null, /config is null/],
    [[], /config is an empty list/],
    [{ ...config, hidden_size: "64" }, /config\.hidden_size is "64"/],
    [{ ...config, hidden_size: undefined }, /config\.hidden_size is undefined/],
    [{ ...config, num_key_value_heads: -1 }, /config\.num_key_value_heads is -1/],
    [{ ...config, num_key_value_heads: 3 }, /llama model does not work: model\.keyValueHeads is 3/],
    [{ ...config, tie_word_embeddings: "yes" }, /config\.tie_word_embeddings is "yes"/],
  ])("a configuration like %j is refused", (bad, message) => {
    expect(() => modelShapeFromConfig(bad)).toThrow(InvalidArgumentError);
    expect(() => modelShapeFromConfig(bad)).toThrow(message);
  });

  it("an architecture without a rule is named, and so are those with one", () => {
    expect(() => modelShapeFromConfig({ ...config, model_type: "mamba" })).toThrow(UnsupportedError);
    expect(() => modelShapeFromConfig({ ...config, model_type: "constructor" })).toThrow(/llama, mistral, qwen2/);
  });

  it("a window that is switched on holds from its first block", () => {
    const shape = modelShapeFromConfig({
      ...config,
      model_type: "qwen2",
      use_sliding_window: true,
      sliding_window: 32,
      max_window_layers: 1,
    });
    expect(shape.slidingWindow).toEqual({ tokens: 32, fromBlock: 1 });
  });
});
