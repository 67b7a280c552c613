import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dataPath, goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, test } from "vitest";
import { readGgufMetadata } from "../../test/gguf-metadata.js";
import { difference, judge, readAssets, readRows } from "../../test/golden.js";
import { createTokenizer } from "../create-tokenizer.js";

/** Line between the test strings of llama.cpp's `.inp` files. */
const SEPARATOR = "\n__ggml_vocab_test__\n";

const vocabularies = dataPath("tokenizers", "llama.cpp");
const vocabularyFiles =
  vocabularies === undefined
    ? []
    : readdirSync(vocabularies).filter(
        (file) => file.endsWith(".gguf") && existsSync(join(vocabularies, `${file}.inp`)),
      );

describe.skipIf(vocabularyFiles.length === 0)(
  vocabularyFiles.length === 0 ? skipReason("vocabularies of llama.cpp") : "vocabularies of llama.cpp",
  () => {
    test.each(vocabularyFiles)("%s encodes the test strings as llama.cpp does", (file) => {
      const path = join(vocabularies!, file);
      const tokenizer = createTokenizer({ ggufMetadata: readGgufMetadata(path) });
      const texts = readFileSync(`${path}.inp`, "utf8").split(SEPARATOR).slice(0, -1);
      const expected = readFileSync(`${path}.out`, "utf8").split("\n");
      const outcomes = texts.map((text, index) => ({
        row: text,
        problem: difference(
          "ids",
          tokenizer.encode(text, { addSpecialTokens: false }),
          expected[index]!.split(" ")
            .filter((id) => id !== "")
            .map(Number),
        ),
      }));
      expect(texts.length).toBeGreaterThan(0);
      expect(judge(`${file}.out`, outcomes)).toEqual({ failures: [], stale: [] });
    });
  },
);

const logits = goldenPath("logits");
const models = dataPath("models");
const twins = [logits, models].flatMap((root) =>
  root === undefined
    ? []
    : readdirSync(root)
        .map((name) => join(root, name))
        .flatMap(twinIn),
);

describe.skipIf(twins.length === 0)(
  twins.length === 0 ? skipReason("models with tokenizer.json and GGUF") : "models with tokenizer.json and GGUF",
  () => {
    for (const { folder, gguf } of twins) {
      const fromGguf = createTokenizer({ ggufMetadata: readGgufMetadata(join(folder, gguf)) });
      const fromJson = createTokenizer(readAssets(folder));

      test(`the two tokenizers of ${gguf} have the same tokens, ends and template`, () => {
        expect(fromGguf.vocabularySize).toBe(fromJson.vocabularySize);
        expect(fromGguf.endOfSequenceIds).toEqual(fromJson.endOfSequenceIds);
        expect(fromGguf.hasChatTemplate).toBe(fromJson.hasChatTemplate);
        const messages = [{ role: "user", content: "Hello <|im_end|> there" }];
        if (fromJson.hasChatTemplate) {
          expect(fromGguf.applyChatTemplate(messages)).toBe(fromJson.applyChatTemplate(messages));
        }
        const ids = Array.from({ length: fromJson.vocabularySize }, (_, id) => id);
        expect(ids.map((id) => fromGguf.decode([id]))).toEqual(ids.map((id) => fromJson.decode([id])));
      });

      const expectedRows = readRows<{ text: string; ids: number[]; decoded: string }>(
        folder,
        "tokenizer.expected.jsonl",
      );
      const textRows = readRows<{ text: string }>(goldenPath("tokenizer", "smollm2.jsonl") ?? "");
      test(`the two tokenizers of ${gguf} encode alike`, () => {
        for (const { text } of [...textRows, ...expectedRows]) {
          expect(fromGguf.encode(text), JSON.stringify(text)).toEqual(fromJson.encode(text));
        }
      });

      if (expectedRows.length > 0) {
        test(`both tokenizers of ${gguf} give the reference's ids and texts`, () => {
          for (const { text, ids, decoded } of expectedRows) {
            for (const tokenizer of [fromGguf, fromJson]) {
              expect(tokenizer.encode(text, { addSpecialTokens: false }), JSON.stringify(text)).toEqual(ids);
              expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(decoded);
            }
          }
        });
      }
    }
  },
);

function twinIn(folder: string): { folder: string; gguf: string }[] {
  if (!existsSync(join(folder, "tokenizer.json"))) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".gguf"))
    .map((gguf) => ({ folder, gguf }));
}
