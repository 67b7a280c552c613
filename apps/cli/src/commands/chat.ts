import { createInterface } from "node:readline/promises";
import type { ChatMessage } from "@stepdown/core";
import { ContextExceededError } from "@stepdown/core";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { loadModel } from "../load-model.js";
import { withExamples } from "../options/examples.js";
import { addGenerationOptions, type GenerationOptions } from "../options/generation.js";
import { createRequestedScheduler } from "../options/scheduler.js";
import { createTokenPainter, precisionLegend } from "../output/precision-style.js";
import { runGeneration } from "../run-generation.js";

interface ChatOptions extends GenerationOptions {
  readonly model: string;
  readonly system?: string;
  readonly json?: boolean;
}

const DEFAULT_NEW_TOKENS = 512;

/** `stepdown chat`: a conversation in the terminal, the cache kept between turns. */
export function addChatCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("chat")
    .description("Talk with a model; /reset starts over, /exit or Ctrl-D ends.")
    .requiredOption("--model <dir>", "nested model directory, float checkpoint directory or GGUF file")
    .option("--system <text>", "system message");
  addGenerationOptions(command, { maxNewTokens: DEFAULT_NEW_TOKENS }).option(
    "--json",
    "one JSON document with the whole conversation on standard output at the end",
  );
  withExamples(command, [
    ["stepdown chat --model smollm2-nested --schedule 8,4@16", "8 bits for 16 steps of each answer, then 4"],
    ['echo "What is a prime?" | stepdown chat --model smollm2-nested', "one message from a pipe"],
  ]);
  command.action(async (options: ChatOptions) => {
    await using loaded = await loadModel(options.model, context, { threads: options.threads });
    const { model, tokenizer } = loaded;
    const scheduler = await createRequestedScheduler(options, model.precisions);
    const opening: ChatMessage[] = options.system === undefined ? [] : [{ role: "system", content: options.system }];
    const messages: ChatMessage[] = [...opening];
    const turns: object[] = [];
    tokenizer.applyChatTemplate([...opening, { role: "user", content: "" }]); // refuses now rather than after the first message
    await using sequence = await model.createSequence({ cacheType: options.cacheType });
    let cached: readonly number[] = [];

    const terminal = process.stdin.isTTY === true && !options.json;
    const lines = createInterface({ input: process.stdin, output: terminal ? process.stdout : undefined, terminal });
    context.signal.addEventListener("abort", () => lines.close());
    lines.on("SIGINT", () => process.emit("SIGINT"));
    if (terminal)
      context.tell(`${model.description.architecture}, precisions ${model.precisions.join(", ")}. /reset, /exit.\n`);
    try {
      lines.setPrompt("> ");
      if (terminal) lines.prompt();
      for await (const line of lines) {
        const content = line.trim();
        if (content === "/exit") break;
        if (content === "/reset") {
          messages.splice(0, messages.length, ...opening);
          sequence.truncate(0);
          cached = [];
        } else if (content !== "") {
          messages.push({ role: "user", content });
          const ids = tokenizer.encode(tokenizer.applyChatTemplate(messages), { addSpecialTokens: false });
          if (ids.length >= sequence.capacity) {
            throw new ContextExceededError(
              `The conversation has ${ids.length} tokens and the model's context holds ${sequence.capacity}. Use /reset to start over.`,
            );
          }
          const kept = commonPrefix(cached, ids.slice(0, -1));
          sequence.truncate(kept);
          const paint = createTokenPainter(context.colors);
          const outcome = await runGeneration({
            model,
            tokenizer,
            scheduler,
            prompt: ids.slice(kept),
            options,
            sequence,
            signal: context.signal,
            onText: options.json
              ? undefined
              : (text, bits) => context.print(context.interactive ? paint(text, bits) : text),
          });
          cached = [...ids, ...outcome.tokens.map((token) => token.id)].slice(0, sequence.length);
          messages.push({ role: "assistant", content: outcome.text.trim() });
          turns.push({
            user: content,
            assistant: outcome.text.trim(),
            averageBits: outcome.averageBits,
            tokensPerSecond: outcome.tokensPerSecond,
            finishReason: outcome.finishReason,
          });
          if (!options.json) context.print("\n");
          if (terminal) {
            const bits = outcome.tokens.map((token) => token.bits);
            context.tell(`${precisionLegend(bits, context.colors)} · ${outcome.tokensPerSecond.toFixed(1)} tokens/s\n`);
          }
        }
        if (terminal) lines.prompt();
      }
    } finally {
      lines.close();
    }
    context.signal.throwIfAborted();
    if (options.json) context.print(`${JSON.stringify({ turns })}\n`);
  });
}

function commonPrefix(left: readonly number[], right: readonly number[]): number {
  const length = Math.min(left.length, right.length);
  let index = 0;
  while (index < length && left[index] === right[index]) index++;
  return index;
}
