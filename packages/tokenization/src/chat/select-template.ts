import type { TextAssets } from "@stepdown/core";
import { isObject, type JsonObject } from "../untrusted.js";
import { type ChatTemplate, createChatTemplate } from "./chat-template.js";

/** The templates of a model: one for everything, and perhaps one for conversations with tools. */
export interface ChatTemplates {
  readonly default: ChatTemplate | undefined;
  readonly withTools: ChatTemplate | undefined;
}

/**
 * Finds the templates: the separate template file, then tokenizer_config.json (a text, or a list of named ones), then
 * GGUF metadata (`tokenizer.chat_template`, and `tokenizer.chat_template.NAME` for named ones).
 */
export function selectChatTemplates(assets: TextAssets, config: JsonObject, gguf: JsonObject): ChatTemplates {
  const named = new Map<string, string>();
  const offer = (name: unknown, source: unknown): void => {
    if (typeof name === "string" && typeof source === "string" && !named.has(name)) named.set(name, source);
  };
  offer("default", assets.chatTemplate);
  if (Array.isArray(config.chat_template)) {
    for (const entry of config.chat_template) if (isObject(entry)) offer(entry.name, entry.template);
  } else offer("default", config.chat_template);
  offer("default", gguf["tokenizer.chat_template"]);
  offer("tool_use", gguf["tokenizer.chat_template.tool_use"]);

  // A list without "default" but with a single entry means that entry.
  const fallback = named.size === 1 ? named.values().next().value : undefined;
  const source = named.get("default") ?? fallback;
  const withTools = named.get("tool_use");
  return {
    default: source === undefined ? undefined : createChatTemplate(source),
    withTools: withTools === undefined ? undefined : createChatTemplate(withTools),
  };
}
