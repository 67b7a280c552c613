import { InvalidArgumentError, InvalidFileError, UnsupportedError } from "@stepdown/core";
import { describe, expect, test } from "vitest";
import { byteLevelTokenizer } from "../../test/small-tokenizers.js";
import { createTokenizer } from "../create-tokenizer.js";
import { createChatTemplate } from "./chat-template.js";
import { formatTime } from "./format-time.js";

const messages = [{ role: "user", content: "Hi" }];
const tokenizerJson = byteLevelTokenizer();

describe("choosing a template", () => {
  test("the separate file comes first, then the configuration, then GGUF metadata", () => {
    const tokenizerConfig = { chat_template: "config" };
    const ggufMetadata = { "tokenizer.chat_template": "gguf" };
    const render = (assets: object) => createTokenizer({ tokenizerJson, ...assets }).applyChatTemplate(messages);
    expect(render({ chatTemplate: "file", tokenizerConfig, ggufMetadata })).toBe("file");
    expect(render({ tokenizerConfig, ggufMetadata })).toBe("config");
    expect(render({ ggufMetadata })).toBe("gguf");
  });

  test("a list of named templates has one for conversations with tools", () => {
    const chat_template = [
      { name: "default", template: "plain" },
      { name: "tool_use", template: "tools: {{ tools | length }}" },
    ];
    const tokenizer = createTokenizer({ tokenizerJson, tokenizerConfig: { chat_template } });
    expect(tokenizer.applyChatTemplate(messages)).toBe("plain");
    expect(tokenizer.applyChatTemplate(messages, { tools: [{}, {}] })).toBe("tools: 2");
  });

  test("without a template the error says what to do", () => {
    const tokenizer = createTokenizer({ tokenizerJson });
    expect(tokenizer.hasChatTemplate).toBe(false);
    expect(() => tokenizer.applyChatTemplate(messages)).toThrow(UnsupportedError);
    expect(() => tokenizer.applyChatTemplate(messages)).toThrow(/chat_template\.jinja/);
  });
});

describe("rendering", () => {
  const render = (chatTemplate: string, options = {}) =>
    createTokenizer({
      tokenizerJson,
      chatTemplate,
      tokenizerConfig: { bos_token: "<s>", eos_token: { content: "</s>" } },
    }).applyChatTemplate(messages, options);

  test("special tokens, the prompt's opening and further variables are there", () => {
    expect(render("{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}")).toBe("<s></s>true");
    expect(render("{{ bos_token }}|{{ mood }}", { variables: { bos_token: "B", mood: "good" } })).toBe("B|good");
    expect(render("{{ add_generation_prompt }}", { addGenerationPrompt: false })).toBe("false");
  });

  test("absent tools are none", () => {
    expect(render("{% if tools is not none %}some{% else %}none{% endif %}")).toBe("none");
  });

  test("a refusal carries the template's message", () => {
    const refuse = () => render("{{ raise_exception('no system role here') }}");
    expect(refuse).toThrow(InvalidArgumentError);
    expect(refuse).toThrow(/no system role here/);
  });

  test("a template that cannot be parsed is an invalid file", () => {
    expect(() => createChatTemplate("{% if %}").render({})).toThrow(InvalidFileError);
  });

  test("a range too long to be honest is refused", () => {
    expect(
      render("{% for i in range(1, 8, 3) %}{{ i }},{% endfor %}{% for i in range(2, 0, -1) %}{{ i }}{% endfor %}"),
    ).toBe("1,4,7,21");
    expect(() => render("{{ range(1000000000) | length }}")).toThrow(InvalidArgumentError);
    expect(() => render("{{ range(1, 2, 0) | length }}")).toThrow(InvalidArgumentError);
  });
});

test("times are written as strftime writes them", () => {
  const time = new Date(2024, 1, 29, 0, 5, 9);
  expect(formatTime(time, "%Y-%m-%d %H:%M:%S %y %B %b %A %a %j %I %p %e %% %Q")).toBe(
    "2024-02-29 00:05:09 24 February Feb Thursday Thu 060 12 AM 29 % %Q",
  );
  expect(formatTime(new Date(2025, 0, 5, 13, 0, 0), "%-d|%e|%-I|%-M|%F|%T")).toBe("5| 5|1|0|2025-01-05|13:00:00");
});
