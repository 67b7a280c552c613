import { describe, expect, it } from "vitest";
import { encodeProductModel, productBytes } from "./encode-model.js";

type Field = number | Uint8Array;

/** Fields of a message by number, read by the rules of protocol buffers and nothing of ours. */
function read(bytes: Uint8Array): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  let at = 0;
  const varint = (): number => {
    for (let value = 0, factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag & 7;
    expect([0, 2]).toContain(kind);
    const size = varint();
    const value = kind === 0 ? size : bytes.subarray(at, at + size);
    if (kind === 2) at += size;
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  expect(at).toBe(bytes.length);
  return fields;
}

const messages = (fields: Map<number, Field[]>, field: number) =>
  (fields.get(field) ?? []).map((value) => read(value as Uint8Array));
const texts = (fields: Map<number, Field[]>, field: number) =>
  (fields.get(field) ?? []).map((value) => new TextDecoder().decode(value as Uint8Array));

describe("ONNX files of products", () => {
  it.each([
    { bits: 4, blockSize: 32, operator: "MatMulNBits" },
    { bits: 2, blockSize: 128, operator: "MatMulNBits" },
    { bits: 32, blockSize: 256, operator: "MatMul" },
  ])("hold $bits bits in blocks of $blockSize", ({ bits, blockSize, operator }) => {
    const shape = { rows: 6, columns: 256, bits, blockSize };
    const model = read(encodeProductModel({ ...shape, copies: 3, seed: 1 }));
    const [graph] = messages(model, 7);
    const nodes = messages(graph!, 1);
    expect(nodes.map((node) => texts(node, 4))).toEqual(Array(3).fill([operator]));
    expect(nodes.map((node) => texts(node, 2))).toEqual([["y0"], ["y1"], ["y2"]]);
    const attributes = messages(nodes[0]!, 5).map((one) => [texts(one, 1)[0], one.get(3)?.[0]]);
    expect(Object.fromEntries(attributes)).toEqual(
      bits === 32 ? {} : { K: 256, N: 6, bits, block_size: blockSize, accuracy_level: 4 },
    );
    const tensors = messages(graph!, 5);
    const inputs = nodes.flatMap((node) => texts(node, 1)).filter((name) => name !== "x");
    expect(tensors.map((tensor) => texts(tensor, 8)[0]).sort()).toEqual(inputs.sort());
    const bytes = tensors.map((tensor) => {
      const data = tensor.get(9)![0] as Uint8Array;
      const numbers = (tensor.get(1) as number[]).reduce((product, side) => product * side, 1);
      expect(data.length).toBe(tensor.get(2)?.[0] === 1 ? 4 * numbers : numbers);
      return data.length;
    });
    expect(bytes.reduce((sum, length) => sum + length, 0)).toBe(3 * productBytes(shape));
  });

  it("differ from copy to copy, so that none is taken for another", () => {
    const options = { rows: 4, columns: 64, bits: 4, blockSize: 32, copies: 2, seed: 1 };
    const [graph] = messages(read(encodeProductModel(options)), 7);
    const data = messages(graph!, 5).map((tensor) => Buffer.from(tensor.get(9)![0] as Uint8Array).toString("hex"));
    expect(new Set(data).size).toBe(data.length);
  });
});
