/** Puts a tokenizer together from what lies beside the weights; everything in the files is checked here or in what it calls. */
import {
  type DecodeOptions,
  InvalidArgumentError,
  MissingFileError,
  type TextAssets,
  UnsupportedError,
} from "@stepdown/core";
import { selectChatTemplates } from "./chat/select-template.js";
import { createDecoder } from "./decoding/decoder.js";
import { createStagedDecoder } from "./decoding/streaming-decoder.js";
import { parseAddedTokens } from "./encoding/added-token.js";
import { toFixedLength } from "./encoding/fixed-length.js";
import { createNormalizer } from "./encoding/normalizer.js";
import { addsTokens, createPostProcessor, type PostProcessor, plainPostProcessor } from "./encoding/post-processor.js";
import { createPreTokenizer } from "./encoding/pre-tokenizer.js";
import { createTextEncoder } from "./encoding/text-encoder.js";
import { createVocabulary, parseModelVocabulary, type Vocabulary } from "./encoding/vocabulary.js";
import { createWordModel } from "./encoding/word-model.js";
import { tokenizerJsonFromGguf } from "./gguf/tokenizer-json-from-gguf.js";
import { readAdditionalSpecialTokens, readEndOfSequenceIds, readSpecialTokens } from "./special-tokens.js";
import type { TextTokenizer } from "./text-tokenizer.js";
import { asObject, type JsonObject, present } from "./untrusted.js";

/**
 * A tokenizer from a model's text assets: `tokenizer.json` where there is one, else the vocabulary in GGUF metadata.
 *
 * Throws `MissingFileError` where there is neither, `InvalidFileError` or `UnsupportedError` for what cannot be used.
 */
export function createTokenizer(assets: TextAssets): TextTokenizer {
  const gguf = asObject(present(assets.ggufMetadata) ?? {}, "The GGUF metadata");
  const { definition, config } = readDefinition(assets, gguf);
  const addedTokens = parseAddedTokens(definition.added_tokens);
  const model = asObject(definition.model, "tokenizer.json: model");
  const modelVocabulary = parseModelVocabulary(model.vocab);
  const vocabulary = createVocabulary(modelVocabulary, addedTokens);
  const named = readSpecialTokens(config);

  const special = new Set(addedTokens.filter((token) => token.special).map((token) => token.content));
  for (const [name, token] of Object.entries(named)) if (name !== "unk_token") special.add(token);
  for (const token of readAdditionalSpecialTokens(config)) special.add(token);

  const encodeText = createTextEncoder({
    addedTokens,
    normalize: createNormalizer(definition.normalizer),
    preTokenizer: createPreTokenizer(definition.pre_tokenizer),
    encodeWord: createWordModel(model, modelVocabulary, named.eos_token),
  });
  const processor = choosePostProcessor(definition, config, named, vocabulary);
  const createStages = createDecoder(definition.decoder);
  const templates = selectChatTemplates(assets, config, gguf);
  const paddingId = named.pad_token === undefined ? 0 : (vocabulary.idOf(named.pad_token) ?? 0);

  const createStreamingDecoder = ({ skipSpecialTokens = false }: DecodeOptions = {}) =>
    createStagedDecoder(createStages, (id) => {
      const token = vocabulary.tokenOf(id);
      return token !== undefined && skipSpecialTokens && special.has(token) ? undefined : token;
    });

  return {
    vocabularySize: vocabulary.size,
    hasChatTemplate: templates.default !== undefined,
    endOfSequenceIds: readEndOfSequenceIds({
      generationConfig: asObject(present(assets.generationConfig) ?? {}, "generation_config.json"),
      ggufMetadata: gguf,
      eosToken: named.eos_token,
      idOf: vocabulary.idOf,
    }),
    encode(text, { addSpecialTokens = true, specialTokensAsText = false } = {}) {
      const ids = encodeText(text, specialTokensAsText);
      if (!addSpecialTokens) return ids;
      return processor.single.flatMap((item) => ("ids" in item ? item.ids : ids));
    },
    encodeFixedLength(text, { pair, length }) {
      const first = encodeText(text, false);
      return toFixedLength(
        pair === undefined ? [first] : [first, encodeText(pair, false)],
        processor,
        length,
        paddingId,
      );
    },
    decode(ids, options) {
      const decoder = createStreamingDecoder(options);
      let text = "";
      for (const id of ids) text += decoder.push(id);
      return text + decoder.end();
    },
    createStreamingDecoder,
    idOfToken: vocabulary.idOf,
    applyChatTemplate(messages, { addGenerationPrompt = true, tools, variables } = {}) {
      const template = (tools === undefined ? undefined : templates.withTools) ?? templates.default;
      if (template === undefined) {
        throw new UnsupportedError(
          "A conversation was given to a tokenizer without a chat template. Pass a plain prompt, or give a template as chatTemplate (a model's chat_template.jinja).",
        );
      }
      if (!Array.isArray(messages)) throw new InvalidArgumentError("The messages of a conversation must be a list.");
      // Absent tools are `none`, not undefined: templates written for the reference ask `tools is not none`.
      return template.render({
        ...named,
        messages,
        tools: tools ?? null,
        add_generation_prompt: addGenerationPrompt,
        ...variables,
      });
    },
  };
}

function readDefinition(assets: TextAssets, gguf: JsonObject): { definition: JsonObject; config: JsonObject } {
  const given = asObject(present(assets.tokenizerConfig) ?? {}, "tokenizer_config.json");
  if (present(assets.tokenizerJson) !== undefined) {
    return { definition: asObject(assets.tokenizerJson, "tokenizer.json"), config: given };
  }
  if (gguf["tokenizer.ggml.model"] === undefined && gguf["tokenizer.huggingface.json"] === undefined) {
    throw new MissingFileError(
      "A tokenizer was asked for, but the model has neither a tokenizer.json nor a GGUF vocabulary (tokenizer.ggml.*). Put the tokenizer.json of the original model beside the weights.",
    );
  }
  const { tokenizerJson, tokenizerConfig } = tokenizerJsonFromGguf(gguf);
  return {
    definition: asObject(tokenizerJson, "tokenizer.huggingface.json"),
    config: { ...asObject(tokenizerConfig, "GGUF"), ...given },
  };
}

/**
 * The post-processor, or one made from `add_bos_token` and `add_eos_token`: LLaMA-like models whose tokenizer.json adds
 * nothing state their start token only there, and the reference library builds a post-processor from it.
 */
function choosePostProcessor(
  definition: JsonObject,
  config: JsonObject,
  named: Readonly<Record<string, string>>,
  vocabulary: Vocabulary,
): PostProcessor {
  const processor = createPostProcessor(definition.post_processor);
  if (addsTokens(processor)) return processor;
  const idOf = (wanted: unknown, token: string | undefined): number[] => {
    const id = wanted === true && token !== undefined ? vocabulary.idOf(token) : undefined;
    return id === undefined ? [] : [id];
  };
  const start = idOf(config.add_bos_token, named.bos_token);
  const end = idOf(config.add_eos_token, named.eos_token);
  if (start.length === 0 && end.length === 0) return processor ?? plainPostProcessor;
  const around = (text: 0 | 1) => [{ ids: start, type: text }, { text, type: text } as const, { ids: end, type: text }];
  return { single: around(0), pair: [...around(0), ...around(1)] };
}
