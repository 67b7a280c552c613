import type { ChatMessage, ChatTemplateOptions, DecodeOptions, StreamingDecoder, Tokenizer } from "@stepdown/core";
import { InvalidArgumentError } from "@stepdown/core";

/** Ids of the two tokens beyond the 256 bytes, by their text. */
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ["<s>", 256],
  ["</s>", 257],
]);
const VOCABULARY_SIZE = 258;

/**
 * A tokenizer whose ids are the bytes of UTF-8, with `<s>` (256, put before every text) and `</s>` (257, end of
 * sequence). It knows what makes streaming hard, characters of several tokens, and nothing else.
 */
export function createMockTokenizer(): Tokenizer {
  return {
    vocabularySize: VOCABULARY_SIZE,
    hasChatTemplate: true,
    endOfSequenceIds: [257],
    encode(text, { addSpecialTokens = true } = {}) {
      const bytes = new TextEncoder().encode(text);
      return addSpecialTokens ? [256, ...bytes] : [...bytes];
    },
    decode(ids, options) {
      const decoder = createByteDecoder(options);
      return ids.map((id) => decoder.push(id)).join("") + decoder.end();
    },
    createStreamingDecoder: createByteDecoder,
    idOfToken(token) {
      const bytes = new TextEncoder().encode(token);
      return SPECIAL.get(token) ?? (bytes.length === 1 ? bytes[0] : undefined);
    },
    applyChatTemplate(messages: readonly ChatMessage[], { addGenerationPrompt = true }: ChatTemplateOptions = {}) {
      const turns = messages.map(({ role, content }) => `[${role}]${content}\n`).join("");
      return addGenerationPrompt ? `${turns}[assistant]` : turns;
    },
  };
}

function createByteDecoder({ skipSpecialTokens = false }: DecodeOptions = {}): StreamingDecoder {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const names = new Map([...SPECIAL].map(([name, id]) => [id, name]));
  return {
    push(id) {
      if (!Number.isSafeInteger(id) || id < 0 || id >= VOCABULARY_SIZE)
        throw new InvalidArgumentError(`Token id ${id} is outside the mock vocabulary of ${VOCABULARY_SIZE}.`);
      const name = names.get(id);
      if (name === undefined) return decoder.decode(Uint8Array.of(id), { stream: true });
      // A special token ends an unfinished character.
      return decoder.decode() + (skipSpecialTokens ? "" : name);
    },
    end: () => decoder.decode(),
  };
}
