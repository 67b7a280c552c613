import { readFileSync } from "node:fs";
import { dataPath, goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, test } from "vitest";
import { goldenTokenizers, readRows } from "../test/golden.js";
import { createTokenizer } from "./create-tokenizer.js";

/** The texts whose ids the quality reference holds, made by its rules: a file as it is, documents joined by a space. */
const corpora: Record<string, () => string | undefined> = {
  wikitext2: () => {
    const file = dataPath("lm-text", "wikitext-2-raw", "wiki.test.raw");
    return file === undefined ? undefined : readFileSync(file, "utf8");
  },
  c4: () => {
    const file = dataPath("lm-text", "c4", "c4_en_train_first1000.jsonl");
    const documents = file === undefined ? [] : readRows<{ text: string }>(file).slice(700, 1000);
    return documents.length === 0 ? undefined : documents.map((document) => document.text).join(" ");
  },
};

const reference = goldenPath("quality", "tokens.safetensors");
const tokenizers = goldenTokenizers().map(({ assets }) => createTokenizer(assets));
const missing = reference === undefined || tokenizers.length === 0;

describe.skipIf(missing)(missing ? skipReason("ids of whole corpora") : "ids of whole corpora", () => {
  for (const [name, expected] of Object.entries(reference === undefined ? {} : readIds(reference))) {
    const text = corpora[name]?.();
    test.skipIf(text === undefined)(
      text === undefined
        ? skipReason(`text of ${name}`)
        : `${name} begins with the reference's ids and comes back whole`,
      () => {
        // The reference does not say whose ids these are: they belong to the tokenizer that decodes them to the text.
        const made = tokenizers.filter((tokenizer) =>
          text!.startsWith(tokenizer.decode(expected.slice(0, 64)).replace(/\ufffd+$/, "")),
        );
        expect(made).toHaveLength(1);
        const ids = made[0]!.encode(text!, { addSpecialTokens: false });
        expect(ids.slice(0, expected.length)).toEqual(expected);
        expect(made[0]!.decode(ids) === text).toBe(true);
      },
    );
  }
});

/** The I32 tensors of a safetensors file, flattened. */
function readIds(file: string): Record<string, number[]> {
  const bytes = readFileSync(file);
  const header = Number(bytes.readBigUInt64LE(0));
  const entries = JSON.parse(bytes.toString("utf8", 8, 8 + header)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const start = 8 + header;
  return Object.fromEntries(
    Object.entries(entries).map(([name, { data_offsets }]) => [
      name,
      Array.from({ length: (data_offsets[1] - data_offsets[0]) / 4 }, (_, index) =>
        bytes.readInt32LE(start + data_offsets[0] + 4 * index),
      ),
    ]),
  );
}
