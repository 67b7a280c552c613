import { StepdownError } from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../open-checkpoint.js";
import { createBytesSource } from "../sources/bytes-source.js";
import { openGguf } from "./open-gguf.js";

type Field = [number | bigint | string, "u32" | "u64" | "f32" | "text"];

function encode(fields: readonly Field[]): Uint8Array {
  const parts = fields.map(([value, kind]) => {
    if (kind === "text") {
      const text = new TextEncoder().encode(value as string);
      const bytes = new Uint8Array(8 + text.length);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
      bytes.set(text, 8);
      return bytes;
    }
    const bytes = new Uint8Array(kind === "u64" ? 8 : 4);
    const view = new DataView(bytes.buffer);
    if (kind === "u32") view.setUint32(0, Number(value), true);
    else if (kind === "f32") view.setFloat32(0, Number(value), true);
    else view.setBigUint64(0, BigInt(value), true);
    return bytes;
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const u32 = (value: number): Field => [value, "u32"];
const u64 = (value: number | bigint): Field => [value, "u64"];
const text = (value: string): Field => [value, "text"];
const textKey = (key: string, value: string): Field[] => [text(key), u32(8), text(value)];
const intKey = (key: string, value: number): Field[] => [text(key), u32(4), u32(value)];
const tensor = (name: string, shape: number[], type: number, offset: number): Field[] => [
  text(name),
  u32(shape.length),
  ...[...shape].reverse().map((dimension) => u64(dimension)),
  u32(type),
  u64(offset),
];

interface Draft {
  version?: number;
  keys?: Field[][];
  tensors?: Field[][];
  tensorCount?: number | bigint;
  keyCount?: number | bigint;
  data?: number;
}

function file({ version = 3, keys = [], tensors = [], tensorCount, keyCount, data = 0 }: Draft): Uint8Array {
  const header = encode([
    u32(0x46554747),
    u32(version),
    u64(tensorCount ?? tensors.length),
    u64(keyCount ?? keys.length),
    ...keys.flat(),
    ...tensors.flat(),
  ]);
  const bytes = new Uint8Array(Math.ceil(header.length / 32) * 32 + data);
  bytes.set(header);
  return bytes;
}

const open = (draft: Draft) => openGguf(createBytesSource(file(draft), "x.gguf"));

const llama: Field[][] = [
  textKey("general.architecture", "llama"),
  intKey("llama.block_count", 1),
  intKey("llama.context_length", 16),
  intKey("llama.embedding_length", 8),
  intKey("llama.feed_forward_length", 8),
  intKey("llama.attention.head_count", 2),
];
const embedding = tensor("token_embd.weight", [4, 8], 0, 0);

describe("GGUF headers", () => {
  test("a byte order mark is part of a text, and texts may be longer than the first read", async () => {
    const long = "x".repeat(1_500_000);
    const opened = await open({ keys: [textKey("a", "\ufeffb"), textKey("long", long)] });
    expect(opened.metadata.get("a")).toBe("\ufeffb");
    expect(opened.metadata.get("long")).toBe(long);
  });

  test.each<[string, string, Draft, string]>([
    ["a big-endian or old version", "unsupported", { version: 0x03000000 }, "version"],
    ["version 1", "unsupported", { version: 1 }, "version 1"],
    ["2^60 tensors", "invalid-file", { tensorCount: 2n ** 60n }, "impossible count"],
    ["a billion tensors", "invalid-file", { tensorCount: 1e9 }, "tensors"],
    ["a billion keys", "invalid-file", { keyCount: 1e9 }, "keys"],
    ["more keys than there are", "invalid-file", { keyCount: 9 }, "truncated"],
    ["a duplicate key", "invalid-file", { keys: [intKey("a", 1), intKey("a", 1)] }, "twice"],
    ["a value of an unknown type", "invalid-file", { keys: [[text("a"), u32(77)]] }, "type 77"],
    ["a text beyond the end", "invalid-file", { keys: [[text("a"), u32(8), u64(5000)]] }, "truncated"],
    ["a text of 2^40 bytes", "invalid-file", { keys: [[text("a"), u32(8), u64(2 ** 40)]] }, "string"],
    ["an array of 2^50 bytes", "invalid-file", { keys: [[text("a"), u32(9), u32(0), u64(2 ** 50)]] }, "values"],
    ["an array beyond the end", "invalid-file", { keys: [[text("a"), u32(9), u32(12), u64(2 ** 20)]] }, "truncated"],
    [
      "arrays in arrays in arrays",
      "invalid-file",
      { keys: [[text("a"), u32(9), ...Array.from({ length: 9 }, () => [u32(9), u64(1)]).flat()]], data: 64 },
      "nests",
    ],
    ["an alignment of zero", "invalid-file", { keys: [intKey("general.alignment", 0)] }, "alignment"],
    ["an alignment that is a text", "invalid-file", { keys: [textKey("general.alignment", "32")] }, "alignment"],
    [
      "a duplicate tensor",
      "invalid-file",
      { tensors: [tensor("a", [1], 0, 0), tensor("a", [1], 0, 32)], data: 64 },
      "twice",
    ],
    ["an unknown tensor type", "unsupported", { tensors: [tensor("a", [1], 99, 0)], data: 32 }, "99"],
    ["a removed tensor type", "unsupported", { tensors: [tensor("a", [32], 4, 0)], data: 32 }, "4"],
    ["a row of half a block", "invalid-file", { tensors: [tensor("a", [2, 48], 2, 0)], data: 64 }, "multiples of 32"],
    ["an unaligned tensor", "invalid-file", { tensors: [tensor("a", [1], 0, 4)], data: 64 }, "alignment"],
    ["a tensor beyond the end", "invalid-file", { tensors: [tensor("a", [64], 0, 0)], data: 64 }, "truncated"],
    [
      "overlapping tensors",
      "invalid-file",
      { tensors: [tensor("a", [16], 0, 0), tensor("b", [16], 0, 32)], data: 96 },
      "inside another",
    ],
    [
      "dimensions that overflow",
      "invalid-file",
      { tensors: [tensor("a", [2 ** 39, 2 ** 39], 0, 0)], data: 32 },
      "elements",
    ],
    ["nine dimensions", "invalid-file", { tensors: [tensor("a", Array(9).fill(1), 0, 0)], data: 32 }, "dimensions"],
  ])("%s: %s", async (_, code, draft, message) => {
    await expect(open(draft)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("whatever is changed in a file, only errors of ours come out", async () => {
    const good = file({
      keys: [...llama, [text("list"), u32(9), u32(8), u64(2), text("a"), text("b")]],
      tensors: [
        embedding,
        tensor("blk.0.attn_q.weight", [8, 8], 1, 128),
        tensor("blk.0.ffn_up.weight", [2, 32], 3, 256),
      ],
      data: 320,
    });
    await expect(openCheckpoint(createBytesSource(good))).resolves.toMatchObject({ kind: "float" });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.option(fc.nat(good.length), { freq: 4 }),
        async (changes, cut) => {
          const bytes = good.slice(0, cut ?? good.length);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          try {
            const checkpoint = await openCheckpoint(createBytesSource(bytes));
            for (const name of checkpoint.tensors.keys()) await checkpoint.readFloat32(name);
          } catch (error) {
            if (!StepdownError.isInstance(error)) throw error;
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe("GGUF models", () => {
  const checkpoint = (keys: Field[][], tensors: Field[][], data = 4096) =>
    openCheckpoint(createBytesSource(file({ keys, tensors, data }), "x.gguf"));

  test.each<[string, string, Field[][], Field[][], string]>([
    ["an unknown architecture", "unsupported", [textKey("general.architecture", "mamba")], [embedding], "mamba"],
    ["no architecture", "unsupported", [], [embedding], "null"],
    ["one part of several", "unsupported", [...llama, intKey("split.count", 2)], [embedding], "2 parts"],
    ["no block count", "invalid-file", llama.filter((_, i) => i !== 1), [embedding], "block_count"],
    ["no embedding", "invalid-file", llama, [], "token_embd"],
    [
      "heads that do not divide the width",
      "invalid-file",
      [...llama.slice(0, 5), intKey("llama.attention.head_count", 3)],
      [embedding],
      "3 heads",
    ],
    [
      "zero heads",
      "invalid-file",
      [...llama.slice(0, 5), intKey("llama.attention.head_count", 0)],
      [embedding],
      "head_count",
    ],
    [
      "rows that the heads cannot share",
      "invalid-file",
      llama,
      [embedding, tensor("blk.0.attn_q.weight", [6, 8], 0, 128)],
      "share",
    ],
  ])("%s: %s", async (_, code, keys, tensors, message) => {
    await expect(checkpoint(keys, tensors)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("query, key and value rows in one tensor are taken apart", async () => {
    const keys = llama.map((key, i) => (i === 0 ? textKey("general.architecture", "phi2") : key));
    const renamed = keys.map(([[name], ...rest]): Field[] => [text(String(name).replace(/^llama/, "phi2")), ...rest]);
    const bytes = file({
      keys: renamed,
      tensors: [embedding, tensor("blk.0.attn_qkv.bias", [24], 0, 128)],
      data: 4096,
    });
    const values = Float32Array.from({ length: 24 }, (_, i) => i);
    bytes.set(new Uint8Array(values.buffer), bytes.length - 4096 + 128);

    const opened = await openCheckpoint(createBytesSource(bytes));

    expect([...(await opened.readFloat32("model.layers.0.self_attn.q_proj.bias"))]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...(await opened.readFloat32("model.layers.0.self_attn.v_proj.bias"))]).toEqual([
      16, 17, 18, 19, 20, 21, 22, 23,
    ]);
    expect(opened.config).toMatchObject({ model_type: "phi", rope_theta: 10000 });
  });
});
