import { InvalidArgumentError } from "@stepdown/core";
import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.js";
import { loadModel } from "../load-model.js";
import { withExamples } from "../options/examples.js";
import { addGenerationOptions, type GenerationOptions } from "../options/generation.js";
import { createRequestedScheduler } from "../options/scheduler.js";
import { createTokenPainter, precisionLabel, precisionLegend } from "../output/precision-style.js";
import { formatBytes } from "../output/units.js";
import { readTextFile } from "../read-text-file.js";
import { type GenerationOutcome, runGeneration } from "../run-generation.js";

interface GenerateOptions extends GenerationOptions {
  readonly model: string;
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly chatTemplate?: boolean;
  readonly logProbabilities?: boolean;
  readonly compat?: "reference";
  readonly json?: boolean;
}

const DEFAULT_NEW_TOKENS = 128;

/** `stepdown generate`: text with the precision of every token. */
export function addGenerateCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("generate")
    .description("Generate text; every token is shown in the colour of its precision.")
    .requiredOption("--model <dir>", "nested model directory, float checkpoint directory or GGUF file")
    .addOption(new Option("--prompt <text>", "the prompt").conflicts("promptFile"))
    .option("--prompt-file <file>", "read the prompt from a file (- for standard input)")
    .option("--chat-template", "treat the prompt as a user's message in the model's chat template");
  addGenerationOptions(command, { maxNewTokens: DEFAULT_NEW_TOKENS })
    .option("--log-probabilities", "with --json: natural log probability of every token")
    .addOption(new Option("--compat <mode>", "reproduce the reference implementation's loop").choices(["reference"]))
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ['stepdown generate --model my-model --prompt "Once upon a time"', "highest precision the model holds"],
    ['stepdown generate --model my-model --prompt "Once upon a time" --schedule 4,3@32', "4 bits for 32 steps, then 3"],
    ['stepdown generate --model my-model --prompt "Hi" --scheduler ./mine.mjs --json', "your own scheduler"],
  ]);
  command.action(async (options: GenerateOptions) => {
    const promptText = await readPrompt(options);
    await using loaded = await loadModel(options.model, context, { threads: options.threads });
    const { model, tokenizer } = loaded;
    const scheduler = await createRequestedScheduler(options, model.precisions);
    const prompt = options.chatTemplate
      ? tokenizer.encode(tokenizer.applyChatTemplate([{ role: "user", content: promptText }]), {
          addSpecialTokens: false,
        })
      : tokenizer.encode(promptText);
    if (prompt.length === 0) {
      throw new InvalidArgumentError("The prompt has no tokens. Give some text with --prompt or --prompt-file.");
    }
    const paint = createTokenPainter(context.colors);
    if (!options.json && context.interactive && !options.chatTemplate) context.print(promptText);
    const outcome = await runGeneration({
      model,
      tokenizer,
      scheduler,
      prompt,
      options,
      compat: options.compat,
      logProbabilities: options.logProbabilities,
      signal: context.signal,
      onText: options.json ? undefined : (text, bits) => context.print(context.interactive ? paint(text, bits) : text),
    });
    if (options.json) {
      context.print(`${JSON.stringify(jsonOutcome(outcome))}\n`);
      return;
    }
    context.print("\n");
    context.tell(`${summary(outcome, context.colors)}\n`);
  });
}

/** The `--json` document; documented in docs/cli.md. */
export function jsonOutcome(outcome: GenerationOutcome): object {
  const { text, tokens, prefillBits, averageBits, bytesPerToken, tokensPerSecond, finishReason, trace } = outcome;
  return {
    text,
    tokens,
    prefillBits,
    averageBits,
    bytesPerToken,
    tokensPerSecond,
    finishReason,
    promptTokens: trace.promptTokens,
  };
}

function summary(outcome: GenerationOutcome, colors: boolean): string {
  const bits = [...outcome.tokens.map((token) => token.bits)];
  return [
    precisionLegend(bits, colors),
    [
      `${outcome.tokens.length} tokens`,
      `prompt at ${precisionLabel(outcome.prefillBits)} bits`,
      `average ${outcome.averageBits.toFixed(2)} bits`,
      `${formatBytes(outcome.bytesPerToken)} read per token`,
      `${outcome.tokensPerSecond.toFixed(1)} tokens/s`,
      outcome.finishReason,
    ].join(" · "),
  ].join("\n");
}

async function readPrompt(options: GenerateOptions): Promise<string> {
  if (options.prompt !== undefined) return options.prompt;
  if (options.promptFile === undefined)
    throw new InvalidArgumentError("Nothing to continue. Give --prompt TEXT or --prompt-file FILE.");
  if (options.promptFile === "-") {
    let text = "";
    process.stdin.setEncoding("utf8");
    for await (const piece of process.stdin) text += piece;
    return text;
  }
  return await readTextFile(options.promptFile);
}
