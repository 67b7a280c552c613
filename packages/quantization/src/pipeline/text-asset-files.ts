import type { Checkpoint, WaitOptions } from "@stepdown/core";
import type { OpenedCheckpoint, TextAssetFile } from "@stepdown/model-format";

/**
 * The files beside the weights that travel with a model: byte for byte where the checkpoint can give them, else written
 * from what core's contract gives.
 */
export async function textAssetFiles(checkpoint: Checkpoint, options: WaitOptions): Promise<readonly TextAssetFile[]> {
  const { readTextAssetFiles } = checkpoint as Partial<OpenedCheckpoint>;
  const files = await readTextAssetFiles?.call(checkpoint, options);
  if (files !== undefined && files.length > 0) return files;
  const assets = await checkpoint.readTextAssets(options);
  const texts: [name: string, text: string | undefined][] = [
    ["tokenizer.json", json(assets.tokenizerJson)],
    ["tokenizer_config.json", json(assets.tokenizerConfig)],
    ["generation_config.json", json(assets.generationConfig)],
    ["chat_template.jinja", assets.chatTemplate],
    ["gguf_metadata.json", json(assets.ggufMetadata)],
  ];
  return texts.flatMap(([name, text]) => (text === undefined ? [] : [{ name, bytes: new TextEncoder().encode(text) }]));
}

function json(value: unknown): string | undefined {
  return value === undefined
    ? undefined
    : JSON.stringify(value, (_, member) => (typeof member === "bigint" ? member.toString() : member));
}
