import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ChatMessage } from "@stepdown/core";
import { dataPath, goldenPath, skipReason } from "@stepdown/test-support";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { difference, judge, readAssets, readJson, readRows } from "../../test/golden.js";
import { createTokenizer } from "../create-tokenizer.js";
import { createChatTemplate } from "./chat-template.js";

interface ChatRow {
  readonly template: string;
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly variables: Readonly<Record<string, unknown>> & { add_generation_prompt?: boolean; tools?: unknown[] };
  readonly expected?: string;
  readonly error?: string;
  readonly ids?: readonly number[];
}

interface FeatureRow {
  readonly group: string;
  readonly name: string;
  readonly template: string;
  readonly expected?: string;
  readonly error?: string;
}

/** The smallest tokenizer.json that is valid, for tests that only need the template. */
const bareTokenizer = { model: { type: "BPE", vocab: { a: 0 }, merges: [] } };

const golden = goldenPath("tokenizer");
const models = dataPath("models");

describe.skipIf(golden === undefined)(golden === undefined ? skipReason("reference chats") : "reference chats", () => {
  const folder = golden ?? "";
  const rows = readRows<ChatRow>(folder, "chat-templates.jsonl");
  const summary = readJson<{ now?: string }>(folder, "chat-templates.summary.json");

  beforeAll(() => {
    // Templates may ask for the date: the clock stands where the reference's stood.
    vi.useFakeTimers({ toFake: ["Date"], now: new Date(summary?.now ?? 0) });
  });
  afterAll(() => {
    vi.useRealTimers();
  });

  const rendered = (row: ChatRow): string => {
    const chatTemplate = readFileSync(join(folder, "chat-templates", `${row.template}.jinja`), "utf8");
    const { add_generation_prompt, tools, ...variables } = row.variables;
    const tokenizer = createTokenizer({ tokenizerJson: bareTokenizer, chatTemplate });
    return tokenizer.applyChatTemplate(row.messages, { addGenerationPrompt: add_generation_prompt, tools, variables });
  };

  for (const template of new Set(rows.map((row) => row.template))) {
    test(`conversations rendered with ${template} are the reference's`, () => {
      const outcomes = rows
        .filter((row) => row.template === template)
        .map((row) => ({ row: row.name, problem: compare(() => rendered(row), row) }));
      expect(judge("chat-templates.jsonl", outcomes)).toEqual({ failures: [], stale: [] });
    });
  }

  test("the Jinja features that are missing are the known ones", () => {
    const variables = readJson<Record<string, unknown>>(folder, "jinja-features.variables.json") ?? {};
    const outcomes = readRows<FeatureRow>(folder, "jinja-features.jsonl").map((row) => ({
      row: `${row.group}: ${row.name}`,
      problem: compare(() => createChatTemplate(row.template).render(variables), row),
    }));
    expect(judge("jinja-features.jsonl", outcomes)).toEqual({ failures: [], stale: [] });
  });

  test.skipIf(models === undefined)("a model's own template gives the reference's text and ids", () => {
    const rowsWithIds = rows.filter((row) => row.ids !== undefined);
    const sources = new Map(
      readdirSync(join(folder, "chat-templates")).map((file) => [
        readFileSync(join(folder, "chat-templates", file), "utf8").trimEnd(),
        file.replace(/\.jinja$/, ""),
      ]),
    );
    let compared = 0;
    for (const model of readdirSync(models!)) {
      const assets = readAssets(join(models!, model));
      const own = (assets.tokenizerConfig as { chat_template?: string } | undefined)?.chat_template;
      const template = own === undefined ? undefined : sources.get(own.trimEnd());
      if (template === undefined) continue;
      const tokenizer = createTokenizer(assets);
      for (const row of rowsWithIds.filter((entry) => entry.template === template)) {
        const text = tokenizer.applyChatTemplate(row.messages, {
          addGenerationPrompt: row.variables.add_generation_prompt,
        });
        expect(text).toBe(row.expected);
        expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(row.ids);
        compared += 1;
      }
    }
    expect(compared).toBe(rowsWithIds.length);
  });
});

/** What is wrong with a rendering, if anything; where the reference refuses, the message must be in ours. */
function compare(
  render: () => string,
  row: { readonly expected?: string; readonly error?: string },
): string | undefined {
  let found: string;
  try {
    found = render();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return row.error !== undefined && message.includes(row.error) ? undefined : `refused: ${message}`;
  }
  return row.error === undefined
    ? difference("text", found, row.expected)
    : `rendered ${JSON.stringify(found)}, expected a refusal`;
}
