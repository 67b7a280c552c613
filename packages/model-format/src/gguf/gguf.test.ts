import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gguf } from "@huggingface/gguf";
import { dataPath, goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, test } from "vitest";
import { asBytes } from "../numbers/views.js";
import { openCheckpoint } from "../open-checkpoint.js";
import { openSafetensors } from "../safetensors/open-safetensors.js";
import { openFileSource } from "../sources/file-source.js";
import { canDequantize } from "./dequantize.js";
import type { GgufValue } from "./header-reader.js";
import { openGguf } from "./open-gguf.js";

const openFile = async (path: string) => (await openFileSource(path))!;
const subfolders = (path: string | undefined): string[] =>
  path === undefined
    ? []
    : readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(path, entry.name));

const logits = goldenPath("logits");
const pairs = subfolders(logits).filter((folder) => existsSync(join(folder, "model.gguf")));
const models = dataPath("models");
const allFiles = [...subfolders(logits), ...subfolders(models)].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".gguf"))
    .map((name) => join(folder, name)),
);

describe.skipIf(pairs.length === 0)(
  logits === undefined ? skipReason("models as GGUF and safetensors") : "models as GGUF and safetensors",
  () => {
    test.each(pairs.map((folder) => [basename(folder), folder]))(
      "%s holds the same tensors in both",
      async (_, folder) => {
        const float = await openCheckpoint(folder);
        const bare = await openCheckpoint(join(folder, "model.gguf"));

        expect([...bare.tensors.keys()].sort()).toEqual([...float.tensors.keys()].sort());
        for (const [name, { shape }] of float.tensors) {
          expect(bare.tensors.get(name)?.shape).toEqual(shape);
          const [expected, found] = [await float.readFloat32(name), await bare.readFloat32(name)];
          if (Buffer.compare(asBytes(expected), asBytes(found)) !== 0) expect.fail(`${name} differs`);
          if (shape.length === 2) {
            expect(await bare.readLinear(name.replace(/\.weight$/, ""))).toMatchObject({
              codec: "dense",
              rows: shape[0],
              columns: shape[1],
            });
          }
        }
      },
    );

    test.each(pairs.map((folder) => [basename(folder), folder]))(
      "%s: the configuration from the metadata agrees with config.json where both speak",
      async (_, folder) => {
        const { config: expected } = await openCheckpoint(folder);
        const { config: found } = await openCheckpoint(join(folder, "model.gguf"));
        const keys = [
          [
            "architectures",
            "model_type",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
          ],
          [
            "num_key_value_heads",
            "head_dim",
            "max_position_embeddings",
            "vocab_size",
            "hidden_act",
            "rms_norm_eps",
            "layer_norm_eps",
          ],
          ["rope_theta", "partial_rotary_factor", "tie_word_embeddings", "attention_bias", "mlp_bias", "use_qkv_bias"],
          ["qk_layernorm", "use_parallel_residual", "use_sliding_window"],
        ].flat();
        for (const key of keys) {
          if (expected[key] !== undefined && expected[key] !== null)
            expect([key, found[key]]).toEqual([key, expected[key]]);
        }
        const scaling = expected.rope_scaling as Record<string, unknown> | null | undefined;
        const own = found.rope_scaling as Record<string, unknown> | null;
        if (scaling?.rope_type === "llama3")
          expect(own).toMatchObject({ rope_type: "custom-factors", factors: expect.any(Array) });
        else expect([own?.rope_type, own?.factor]).toEqual([scaling?.rope_type ?? scaling?.type, scaling?.factor]);
      },
    );
  },
);

const types = goldenPath("logits", "gguf-types", "all-types.gguf");
describe.skipIf(types === undefined)(types === undefined ? skipReason("every GGUF type") : "every GGUF type", () => {
  const folder = goldenPath("logits", "gguf-types") ?? "";

  test("tensors equal the reference to the bit, or their type is named as unsupported", async () => {
    const file = await openGguf(await openFile(types as string));
    const blocks = await openSafetensors(await openFile(join(folder, "blocks.safetensors")));
    const extra = await openSafetensors(await openFile(join(folder, "all-types.extra.safetensors")));
    const read: string[] = [];
    for (const [name, entry] of file.tensors) {
      if (!canDequantize(entry.type)) {
        await expect(file.readFloat32(name)).rejects.toMatchObject({
          code: "unsupported",
          message: expect.stringContaining(entry.type),
        });
        continue;
      }
      const expected = name.startsWith("type.")
        ? await blocks.readFloat32(`${name.slice("type.".length)}.values`)
        : await extra.readFloat32(name);
      if (extra.tensors.has(name)) expect(entry.shape).toEqual(extra.tensors.get(name)?.shape);
      const found = await file.readFloat32(name);
      if (Buffer.compare(asBytes(found), asBytes(expected)) !== 0) expect.fail(`${name} (${entry.type}) differs`);
      read.push(entry.type);
    }
    const required = [
      "F32",
      "F16",
      "BF16",
      "Q8_0",
      "Q4_0",
      "Q4_1",
      "Q5_0",
      "Q5_1",
      "Q2_K",
      "Q3_K",
      "Q4_K",
      "Q5_K",
      "Q6_K",
      "IQ4_NL",
      "MXFP4",
    ];
    expect(read).toEqual(expect.arrayContaining(required.filter((type) => blocks.tensors.has(`${type}.values`))));
  });

  test("metadata values of every kind are read", async () => {
    const file = await openGguf(await openFile(types as string));
    const expected = JSON.parse(readFileSync(join(folder, "all-types.metadata.json"), "utf8"));
    const plain = (value: GgufValue | undefined, kind: string): unknown =>
      /INT64$/.test(kind) ? String(value) : value;
    for (const [key, { type, value }] of Object.entries<{ type: string; value: unknown }>(expected)) {
      expect([key, plain(file.metadata.get(key), type)]).toEqual([key, value]);
    }
  });
});

describe.skipIf(allFiles.length === 0)(allFiles.length === 0 ? skipReason("GGUF headers") : "GGUF headers", () => {
  /** The other parser drops a byte order mark at the beginning of a text. */
  const withoutMark = (value: unknown): unknown =>
    typeof value === "string"
      ? value.replace(/^\ufeff/, "")
      : Array.isArray(value)
        ? value.map(withoutMark)
        : typeof value === "bigint"
          ? String(value)
          : value;

  test.each(allFiles.map((path) => [basename(path), path]))(
    "%s reads as @huggingface/gguf reads it",
    async (_, path) => {
      const theirs = await gguf(path, { allowLocalFile: true });
      const ours = await openGguf(await openFile(path));

      for (const [key, value] of ours.metadata) {
        const expected = withoutMark((theirs.metadata as Record<string, unknown>)[key]);
        const found = withoutMark(value);
        expect(typeof found === "number" && typeof expected === "string" ? String(found) : found).toEqual(expected);
      }
      expect(
        [...ours.tensors].map(([name, { shape, offset }]) => ({
          name,
          shape,
          offset: offset - Number(theirs.tensorDataOffset),
        })),
      ).toEqual(
        theirs.tensorInfos.map(({ name, shape, offset }) => ({
          name,
          shape: shape.map(Number).reverse(),
          offset: Number(offset),
        })),
      );
    },
  );
});

const smollm = goldenPath("smollm2", "weights.json");
const smollmFolder = subfolders(models).find(
  (folder) => existsSync(join(folder, "config.json")) && readdirSync(folder).some((name) => name.endsWith(".gguf")),
);
const absent = smollm === undefined || smollmFolder === undefined;
describe.skipIf(absent)(absent ? skipReason("a real quantized model") : "a real quantized model", () => {
  test("dequantized tensors have the published checksums, in Hugging Face row order", async () => {
    const checkpoint = await openCheckpoint(smollmFolder as string);
    const expected = JSON.parse(readFileSync(smollm as string, "utf8")) as Record<
      string,
      { shape: number[]; sha256: string }
    >;
    for (const [name, { shape, sha256 }] of Object.entries(expected)) {
      expect(checkpoint.tensors.get(name)?.shape).toEqual(shape);
      const found = createHash("sha256")
        .update(asBytes(await checkpoint.readFloat32(name)))
        .digest("hex");
      expect([name, found]).toEqual([name, sha256]);
    }
  });

  test("an existing config.json and tokenizer are preferred to the metadata", async () => {
    const folder = smollmFolder as string;
    const directory = await openCheckpoint(folder);
    expect(directory.config).toEqual(JSON.parse(readFileSync(join(folder, "config.json"), "utf8")));
    const assets = await directory.readTextAssets();
    expect(assets.tokenizerJson === undefined).toBe(!existsSync(join(folder, "tokenizer.json")));
    const bare = await openCheckpoint(
      join(folder, readdirSync(folder).find((name) => name.endsWith(".gguf")) as string),
    );
    expect((await bare.readTextAssets()).ggufMetadata).toHaveProperty(["tokenizer.ggml.tokens"]);
    expect((await bare.readTextAssetFiles()).map(({ name }) => name)).toEqual(["gguf_metadata.json"]);
  });
});
