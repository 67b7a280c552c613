import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PrecisionDecision } from "@stepdown/core";
import { openCheckpoint } from "@stepdown/model-format";
import { quantizeCheckpoint } from "@stepdown/quantization";
import { createSchedulerFromText } from "@stepdown/schedulers";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { embeddedModelPath } from "../embedded-model.js";
import { loadModel } from "../load-model.js";
import { withExamples } from "../options/examples.js";
import { integer } from "../options/parse.js";
import { createTokenPainter, precisionLegend } from "../output/precision-style.js";
import { formatTable } from "../output/table.js";
import { formatBytes, formatCount } from "../output/units.js";
import { type GenerationOutcome, runGeneration } from "../run-generation.js";
import { jsonOutcome } from "./generate.js";

interface DemoOptions {
  readonly prompt: string;
  readonly maxNewTokens: number;
  readonly json?: boolean;
}

/** The runs the demo compares. The schedule is a share of the token limit, so that it fits any length. */
const RUNS = [
  { title: "fixed, 4 bits", schedule: "4" },
  { title: "fixed, 2 bits", schedule: "2" },
  { title: "progressive: 4 bits, then 3, then 2", schedule: "4,3@33%,2@66%" },
] as const;

/** Rounds of the speed comparison; odd, so that the median is one of them. */
const SPEED_ROUNDS = 5;

/** `stepdown demo`: the main job on the embedded model. */
export function addDemoCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("demo")
    .description("Quantize the embedded story model and generate with fixed and falling precision.")
    .option("--prompt <text>", "beginning of the story", "Once upon a time")
    .option("--max-new-tokens <n>", "tokens per run", integer(3, 400), 96)
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown demo", "the whole tour, some seconds"],
    ['stepdown demo --prompt "The dragon was sad because"', "your own beginning"],
  ]);
  command.action(async (options: DemoOptions) => {
    const say = options.json ? () => {} : context.print;
    const directory = join(await mkdtemp(join(tmpdir(), "stepdown-demo-")), "tiny-stories-nested");
    try {
      const model = await quantizeEmbeddedModel(directory, say, context);
      const outcomes = await generateRuns(directory, options, say, context);
      if (options.json) {
        const runs = outcomes.map(({ schedule, outcome, tokensPerSecond }) => ({
          schedule,
          ...jsonOutcome(outcome),
          tokensPerSecond: median(tokensPerSecond),
        }));
        context.print(`${JSON.stringify({ model, runs })}\n`);
        return;
      }
      say(`${comparison(outcomes)}\n\n${NEXT_STEPS}\n`);
    } finally {
      await rm(join(directory, ".."), { recursive: true, force: true });
    }
  });
}

async function quantizeEmbeddedModel(directory: string, say: (text: string) => void, context: CommandContext) {
  await using checkpoint = await openCheckpoint(embeddedModelPath, { signal: context.signal });
  const display = context.startProgress();
  const started = performance.now();
  const result = await quantizeCheckpoint({
    checkpoint,
    directory,
    seedBits: 2,
    bits: 4,
    signal: context.signal,
    onProgress: display.onProgress,
  });
  display.finish();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say(
    `Quantized the embedded story model once: ${formatCount(result.weights)} weights into nested bit planes, ${seconds} s.\n` +
      "One file, three precisions: each step reads as many planes as the schedule says.\n\n",
  );
  return result;
}

interface Run {
  readonly title: string;
  readonly schedule: string;
  readonly outcome: GenerationOutcome;
  /** One measurement per round. */
  readonly tokensPerSecond: number[];
}

async function generateRuns(
  directory: string,
  options: DemoOptions,
  say: (text: string) => void,
  context: CommandContext,
): Promise<Run[]> {
  await using loaded = await loadModel(directory, context);
  const { model, tokenizer } = loaded;
  const prompt = tokenizer.encode(options.prompt);
  const generation = { maxNewTokens: options.maxNewTokens, temperature: 0, cacheType: "f32" } as const;
  const run = async (schedule: string, onText?: (text: string, bits: PrecisionDecision) => void) =>
    await runGeneration({
      model,
      tokenizer,
      scheduler: createSchedulerFromText(schedule),
      prompt,
      options: generation,
      signal: context.signal,
      onText,
    });
  const runs: Run[] = [];
  for (const { title, schedule } of RUNS) {
    say(`── ${title}  (--schedule ${schedule})\n${options.prompt}`);
    const paint = createTokenPainter(context.colors);
    const outcome = await run(schedule, (text, bits) => say(paint(text, bits)));
    say("\n\n");
    runs.push({ title, schedule, outcome, tokensPerSecond: [] });
  }
  // Speed is taken from further rounds in turn, when compilers are warm and each run has met the same disturbances.
  for (let round = 0; round < SPEED_ROUNDS; round++) {
    for (const { schedule, tokensPerSecond } of runs) tokensPerSecond.push((await run(schedule)).tokensPerSecond);
  }
  const shown = runs.flatMap((run) => run.outcome.tokens.map((token) => token.bits));
  say(`${precisionLegend(shown, context.colors)}\n\n`);
  return runs;
}

function comparison(runs: readonly Run[]): string {
  return formatTable(
    ["schedule", "average bits", "read per token", "tokens/s", "tokens"],
    runs.map(({ schedule, outcome, tokensPerSecond }) => [
      schedule,
      outcome.averageBits.toFixed(2),
      formatBytes(outcome.bytesPerToken),
      median(tokensPerSecond).toFixed(0),
      String(outcome.tokens.length),
    ]),
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] as number;
}

const NEXT_STEPS = `Next, with a model of your own (a directory with safetensors or a GGUF file):
  stepdown quantize ./SmolLM2-135M-Instruct --out smollm2 --bits 8
  stepdown inspect smollm2
  stepdown generate --model smollm2 --prompt "The sea" --schedule 8:4,3@32
  stepdown chat --model smollm2
In a clone: npm run -s stepdown -- <command>`;
