import { skipReason } from "@stepdown/test-support";
import { describe, expect, test } from "vitest";
import { difference, goldenTokenizers, judge, readRows } from "../test/golden.js";
import { createTokenizer } from "./create-tokenizer.js";

interface EncodingRow {
  readonly text: string;
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
  readonly decoded: string;
  readonly decoded_skip_special: string;
  readonly ids_with_special_added?: readonly number[];
  readonly ids_special_as_text?: readonly number[];
}

interface StreamingRow {
  readonly name: string;
  readonly skip_special: boolean;
  readonly ids: readonly number[];
  readonly chunks: readonly string[];
  readonly rest_at_end: string;
  readonly text: string;
}

interface PaddedRow {
  readonly input: string | readonly [string, string];
  readonly ids: readonly number[];
  readonly attention_mask: readonly number[];
  readonly type_ids: readonly number[];
}

const tokenizers = goldenTokenizers();
const missing = tokenizers.length === 0;

describe.skipIf(missing)(missing ? skipReason("reference tokenizers") : "reference tokenizers", () => {
  for (const { name, folder, assets } of tokenizers) {
    const tokenizer = createTokenizer(assets);

    test(`${name} encodes every text to the reference's ids`, () => {
      const rows = readRows<EncodingRow>(folder, `${name}.jsonl`);
      const outcomes = rows.map((row) => ({
        row: row.text,
        problem:
          difference("ids", tokenizer.encode(row.text, { addSpecialTokens: false }), row.ids) ??
          difference(
            "ids with special tokens added",
            tokenizer.encode(row.text),
            row.ids_with_special_added ?? row.ids,
          ) ??
          difference(
            "ids with special tokens as text",
            tokenizer.encode(row.text, { addSpecialTokens: false, specialTokensAsText: true }),
            row.ids_special_as_text ?? row.ids,
          ),
      }));
      expect(rows.length).toBeGreaterThan(0);
      expect(judge(`${name}.jsonl`, outcomes)).toEqual({ failures: [], stale: [] });
    });

    test(`${name} decodes every list of ids to the reference's text`, () => {
      const rows = readRows<EncodingRow>(folder, `${name}.jsonl`);
      const problems = rows.flatMap((row) => [
        difference(row.text, tokenizer.decode(row.ids), row.decoded) ?? [],
        difference(row.text, tokenizer.decode(row.ids, { skipSpecialTokens: true }), row.decoded_skip_special) ?? [],
        difference(row.text, row.tokens.map(tokenizer.idOfToken), row.ids) ?? [],
      ]);
      expect(problems.flat()).toEqual([]);
    });

    const streams = readRows<StreamingRow>(folder, `${name}.streaming.jsonl`);
    if (streams.length > 0)
      test(`${name} streams every list of ids in the reference's pieces`, () => {
        const problems = streams.flatMap((row) => {
          const options = { skipSpecialTokens: row.skip_special };
          const decoder = tokenizer.createStreamingDecoder(options);
          const chunks = row.ids.map((id) => decoder.push(id));
          return [
            difference(`${row.name}: chunks`, chunks, row.chunks) ?? [],
            difference(`${row.name}: rest`, decoder.end(), row.rest_at_end) ?? [],
            difference(`${row.name}: text`, tokenizer.decode(row.ids, options), row.text) ?? [],
          ].flat();
        });
        expect(problems).toEqual([]);
      });

    const padded = readRows<PaddedRow>(folder, `${name}.padded.jsonl`);
    if (padded.length > 0)
      test(`${name} cuts and pads texts and pairs as the reference does`, () => {
        for (const row of padded) {
          const [text, pair] = typeof row.input === "string" ? [row.input, undefined] : row.input;
          expect(tokenizer.encodeFixedLength(text, { pair, length: row.ids.length })).toEqual({
            ids: row.ids,
            attentionMask: row.attention_mask,
            typeIds: row.type_ids,
          });
        }
      });
  }
});
