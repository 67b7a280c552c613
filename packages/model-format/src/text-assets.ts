import type { TextAssets } from "@stepdown/core";
import { InvalidFileError } from "@stepdown/core";
import { checkTextSize, isRecord, parseJson } from "./json.js";
import type { ByteReadOptions } from "./sources/byte-source.js";
import type { ModelDirectory } from "./sources/model-directory.js";

/** Name of the file that carries a GGUF file's `tokenizer.*` metadata in a model directory. */
export const GGUF_METADATA_FILE = "gguf_metadata.json";

/** Files beside the weights that travel with a model, in the order in which they are listed. */
export const textAssetNames: readonly string[] = [
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
  "chat_template.jinja",
  "special_tokens_map.json",
  GGUF_METADATA_FILE,
];

/** A file that travels with the weights unchanged. */
export interface TextAssetFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * The raw text assets of a directory. `ggufMetadata` (`tokenizer.*` keys of a GGUF file) stands in as
 * `gguf_metadata.json` where there is no `tokenizer.json`.
 */
export async function readTextAssetFiles(
  directory: ModelDirectory | undefined,
  ggufMetadata?: Readonly<Record<string, unknown>>,
  options: ByteReadOptions = {},
): Promise<TextAssetFile[]> {
  const files: TextAssetFile[] = [];
  for (const name of directory === undefined ? [] : textAssetNames) {
    const source = await directory?.open(name, { signal: options.signal });
    if (source !== undefined) {
      checkTextSize(source);
      files.push({ name, bytes: await source.read(0, source.size, { signal: options.signal }) });
    }
  }
  const has = (name: string): boolean => files.some((file) => file.name === name);
  if (ggufMetadata !== undefined && !has("tokenizer.json") && !has(GGUF_METADATA_FILE)) {
    const text = JSON.stringify(ggufMetadata, (_, value) => (typeof value === "bigint" ? value.toString() : value));
    files.push({ name: GGUF_METADATA_FILE, bytes: new TextEncoder().encode(text) });
  }
  return files;
}

/** Text assets parsed; `location` is for messages. `gguf_metadata.json` counts only where there is no `tokenizer.json`. */
export function parseTextAssets(files: readonly TextAssetFile[], location: string): TextAssets {
  const text = (name: string): string | undefined => {
    const file = files.find((candidate) => candidate.name === name);
    if (file === undefined) return undefined;
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(file.bytes);
    } catch (cause) {
      throw new InvalidFileError(`${location}: ${name} is no UTF-8 text`, { cause });
    }
  };
  const json = (name: string): unknown => {
    const content = text(name);
    return content === undefined ? undefined : parseJson(content, `${location}: ${name}`);
  };
  const assets: TextAssets = {};
  const tokenizerJson = json("tokenizer.json");
  if (tokenizerJson !== undefined) assets.tokenizerJson = tokenizerJson;
  const tokenizerConfig = json("tokenizer_config.json");
  if (tokenizerConfig !== undefined) assets.tokenizerConfig = tokenizerConfig;
  const generationConfig = json("generation_config.json");
  if (generationConfig !== undefined) assets.generationConfig = generationConfig;
  const chatTemplate = text("chat_template.jinja");
  if (chatTemplate !== undefined) assets.chatTemplate = chatTemplate;
  const gguf = tokenizerJson === undefined ? json(GGUF_METADATA_FILE) : undefined;
  if (isRecord(gguf)) assets.ggufMetadata = gguf;
  return assets;
}
