import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StepdownError } from "@stepdown/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBytesSource } from "../sources/bytes-source.js";
import { openFileSource } from "../sources/file-source.js";
import { openSafetensors } from "./open-safetensors.js";
import type { TensorSource } from "./tensor-source.js";
import { writeSafetensors } from "./write-safetensors.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "stepdown-safetensors-"));
});
afterAll(() => rm(directory, { recursive: true }));

function file(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const open = (header: unknown, dataBytes: number) =>
  openSafetensors(createBytesSource(file(header, dataBytes), "x.safetensors"));
const tensor = (dtype: string, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });
const source = (name: string, type: string, shape: number[], view: ArrayBufferView): TensorSource => ({
  name,
  type,
  shape,
  read: async () => view,
});

describe("reading numbers", () => {
  test.each<[string, ArrayBufferView, number[]]>([
    ["F32", Float32Array.of(1.5, -0.25), [1.5, -0.25]],
    ["F64", Float64Array.of(0.1, 2), [Math.fround(0.1), 2]],
    ["F16", Uint16Array.of(0x3c00, 0x8001), [1, -(2 ** -24)]],
    ["BF16", Uint16Array.of(0x3f80, 0xc000), [1, -2]],
    ["I8", Int8Array.of(-128, 127), [-128, 127]],
    ["U8", Uint8Array.of(0, 255), [0, 255]],
    ["BOOL", Uint8Array.of(0, 1), [0, 1]],
    ["I16", Int16Array.of(-32768, 5), [-32768, 5]],
    ["U16", Uint16Array.of(65535, 5), [65535, 5]],
    ["I32", Int32Array.of(-70000, 5), [-70000, 5]],
    ["U32", Uint32Array.of(4000000000, 5), [4000000000, 5]],
    ["I64", BigInt64Array.of(-5n, 2n ** 40n), [-5, 2 ** 40]],
    ["U64", BigUint64Array.of(5n, 2n ** 63n), [5, 2 ** 63]],
  ])("%s is written, read and converted", async (type, view, expected) => {
    const path = join(directory, `${type}.safetensors`);

    await writeSafetensors(path, [source("odd", "U8", [1], Uint8Array.of(7)), source("t", type, [2, 1], view)]);
    const opened = await openSafetensors((await openFileSource(path))!);

    expect([...(await opened.readFloat32("t"))]).toEqual(expected);
    expect(opened.tensors.get("t")).toMatchObject({ type, shape: [2, 1], bytes: view.byteLength });
    expect([...(await opened.readBytes("t", { offset: 1, length: 1 }))]).toEqual([new Uint8Array(view.buffer)[1]]);
  });

  test("types that are no plain numbers can be listed but not converted", async () => {
    const opened = await open({ a: tensor("F8_E4M3", [4], [0, 4]), b: tensor("F4", [2, 2], [4, 6]) }, 6);
    expect(opened.tensors.get("b")?.bytes).toBe(2);
    await expect(opened.readFloat32("a")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("F8_E4M3"),
    });
    await expect(opened.readFloat32("c")).rejects.toMatchObject({ code: "missing-file" });
  });

  test("empty tensors, scalars and metadata are read; a header in disorder as well", async () => {
    const opened = await open(
      {
        s: tensor("F32", [], [4, 8]),
        __metadata__: { format: "pt" },
        e: tensor("F32", [0, 3], [4, 4]),
        f: tensor("I32", [1], [0, 4]),
      },
      8,
    );
    expect([...opened.tensors.keys()]).toEqual(["s", "e", "f"]);
    expect(opened.metadata.get("format")).toBe("pt");
    expect((await opened.readFloat32("e")).length).toBe(0);
  });
});

describe("hostile files", () => {
  test.each<[string, unknown, number, string]>([
    ["an array", [], 0, "no JSON object"],
    ["no JSON", "{", 0, "no JSON"],
    [
      "a duplicate tensor",
      `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`,
      1,
      "twice",
    ],
    ["a duplicate inside a tensor", `{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, 1, "twice"],
    ["deep nesting", `{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`, 0, "too deeply"],
    ["a tensor that is no object", { a: 1 }, 0, "no object"],
    ["no type", { a: { shape: [1], data_offsets: [0, 1] } }, 1, "no dtype"],
    ["a negative dimension", { a: tensor("U8", [-1], [0, 1]) }, 1, "impossible dimension"],
    ["a fractional dimension", { a: tensor("U8", [0.5], [0, 1]) }, 1, "impossible dimension"],
    ["too many dimensions", { a: tensor("U8", Array(9).fill(1), [0, 1]) }, 1, "dimensions"],
    ["dimensions that overflow", { a: tensor("U8", Array(8).fill(2 ** 32), [0, 1]) }, 1, "more elements"],
    ["a wrong byte length", { a: tensor("F32", [2], [0, 4]) }, 4, "takes 8"],
    ["offsets beyond the end", { a: tensor("U8", [9], [0, 9]) }, 8, "truncated"],
    ["offsets the wrong way round", { a: tensor("U8", [1], [1, 0]) }, 1, "data_offsets"],
    ["an overlap", { a: tensor("U8", [2], [0, 2]), b: tensor("U8", [2], [1, 3]) }, 3, "inside another"],
    ["a hole", { a: tensor("U8", [1], [0, 1]), b: tensor("U8", [1], [2, 3]) }, 3, "after a hole"],
    ["surplus bytes", { a: tensor("U8", [1], [0, 1]) }, 2, "appended"],
    ["metadata that are no texts", { __metadata__: { a: 1 } }, 0, "no string"],
    ["half a byte", { a: tensor("F4", [3], [0, 1]) }, 1, "takes 1.5"],
  ])("%s is refused", async (_, header, dataBytes, message) => {
    await expect(open(header, dataBytes)).rejects.toMatchObject({
      code: "invalid-file",
      message: expect.stringContaining(message),
    });
  });

  test("an unknown type is unsupported", async () => {
    await expect(open({ a: tensor("Q9", [1], [0, 1]) }, 1)).rejects.toMatchObject({ code: "unsupported" });
  });

  test("impossible header lengths are refused without allocating", async () => {
    for (const length of [2n ** 63n, 200_000_000n, 1000n]) {
      const bytes = new Uint8Array(16);
      new DataView(bytes.buffer).setBigUint64(0, length, true);
      await expect(openSafetensors(createBytesSource(bytes))).rejects.toMatchObject({ code: "invalid-file" });
    }
    await expect(openSafetensors(createBytesSource(new Uint8Array(3)))).rejects.toMatchObject({ code: "invalid-file" });
  });

  test("whatever is changed in a header, only errors of ours come out and what opens can be read", async () => {
    const good = file(
      { __metadata__: { k: "v" }, a: tensor("F32", [2, 3], [0, 24]), b: tensor("I8", [4], [24, 28]) },
      28,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.option(fc.nat(good.length)),
        async (changes, cut) => {
          const bytes = good.slice(0, cut ?? good.length);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          try {
            const opened = await openSafetensors(createBytesSource(bytes));
            for (const name of opened.tensors.keys()) await opened.readFloat32(name);
          } catch (error) {
            if (!StepdownError.isInstance(error)) throw error;
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe("writing", () => {
  test("the same tensors give the same bytes, wide types first and aligned, the header a multiple of 8", async () => {
    const tensors = [
      source("bytes", "U8", [3], Uint8Array.of(1, 2, 3)),
      source("halves", "F16", [3], Uint16Array.of(1, 2, 3)),
      source("floats", "F32", [1], Float32Array.of(4)),
    ];
    const [one, two] = [join(directory, "one"), join(directory, "two")];

    await writeSafetensors(one, tensors, { metadata: { made: "by a test" } });
    await writeSafetensors(two, tensors, { metadata: { made: "by a test" } });

    expect(await readFile(one)).toEqual(await readFile(two));
    const opened = await openSafetensors((await openFileSource(one))!);
    expect([...opened.tensors].map(([name, { offset }]) => [name, offset])).toEqual([
      ["floats", 0],
      ["halves", 4],
      ["bytes", 10],
    ]);
    expect(((await stat(one)).size - 13) % 8).toBe(0);
  });

  test("a source that fails, lies about its size or is stopped leaves nothing behind", async () => {
    const place = await mkdtemp(join(directory, "failures-"));
    const path = join(place, "model.safetensors");
    const good = source("a", "F32", [1], Float32Array.of(1));
    const failing = { ...good, name: "b", read: () => Promise.reject(new Error("no luck")) };
    const stop = new AbortController();
    const stopping = {
      ...good,
      async read() {
        stop.abort(new Error("stopped"));
        return Float32Array.of(1);
      },
    };

    await expect(writeSafetensors(path, [good, failing])).rejects.toThrow("no luck");
    await expect(writeSafetensors(path, [source("a", "F32", [2], Float32Array.of(1))])).rejects.toThrow(
      "takes 8 bytes",
    );
    await expect(writeSafetensors(path, [good, good])).rejects.toThrow("twice");
    await expect(writeSafetensors(path, [stopping], { signal: stop.signal })).rejects.toThrow("stopped");

    expect(await readdir(place)).toEqual([]);
  });

  test("a place that cannot be written gives OutputFailedError", async () => {
    const path = join(directory, "no", "such", "directory", "x.safetensors");
    await expect(writeSafetensors(path, [])).rejects.toMatchObject({ code: "output-failed" });
  });
});
