/** Whole models in node-llama-cpp, on the processor. Only the part of its interface that is used is declared here. */
import { pathToFileURL } from "node:url";
import type { HostProgram, OpenRequest } from "./protocol.js";
import { serve } from "./serve.js";

interface Llama {
  readonly systemInfo: string;
  loadModel(options: object): Promise<LlamaModel>;
}
interface LlamaModel {
  createContext(options: object): Promise<LlamaContext>;
  dispose(): Promise<void>;
}
interface LlamaContext {
  getSequence(): LlamaSequence;
  dispose(): Promise<void>;
}
interface LlamaSequence {
  readonly nextTokenIndex: number;
  controlledEvaluate(input: readonly unknown[]): Promise<readonly ({ next: { token?: number | null } } | undefined)[]>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly number[]): Promise<void>;
  eraseContextTokenRanges(ranges: readonly { start: number; end: number }[]): Promise<void>;
}

/** Most tokens of one batch: a prefill is one pass, as in our own engine's best case. */
const BATCH = 512;

let llama: Llama;
/** Models by path, shared by contexts with different threads. */
const models = new Map<string, { model: LlamaModel; users: number }>();

const program: HostProgram = {
  async start([entry], threads) {
    const library = (await import(pathToFileURL(entry!).href)) as { getLlama(options: object): Promise<Llama> };
    // Nothing is fetched and nothing is compiled: what is installed is measured, or the start fails.
    const options = { gpu: false, build: "never", skipDownload: true, maxThreads: threads, logLevel: "error" };
    llama = await library.getLlama(options);
    const features = [...(llama.systemInfo ?? "").matchAll(/(\w+) = 1/g)].map(([, name]) => name);
    return { kernels: features.length === 0 ? "native" : `native (${features.join(", ")})` };
  },
  async open(subject) {
    if (subject.kind !== "model") throw new Error("node-llama-cpp multiplies no single matrices.");
    return await openModel(subject);
  },
};

async function openModel(subject: Extract<OpenRequest, { kind: "model" }>) {
  const { path, threads, capacity, context: before, tokens } = subject;
  const held = models.get(path) ?? {
    model: await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: true }),
    users: 0,
  };
  models.set(path, held);
  held.users++;
  const context = await held.model.createContext({
    contextSize: capacity,
    batchSize: Math.min(BATCH, capacity),
    sequences: 1,
    threads: { ideal: threads, min: threads },
  });
  const sequence = context.getSequence();
  if (before.length > 0) await sequence.evaluateWithoutGeneratingNewTokens(before);
  // Only the last token's logits are wanted; the likeliest token is chosen from them, as in a generation.
  const last = tokens.length - 1;
  const input = tokens.map((token, index) => (index < last ? token : [token, { generateNext: { token: true } }]));
  const start = sequence.nextTokenIndex;
  if (start !== before.length) throw new Error(`The context holds ${start} tokens, not ${before.length}.`);
  return {
    async run(runs: number) {
      for (let i = 0; i < runs; i++) {
        const output = await sequence.controlledEvaluate(input);
        if (typeof output[last]?.next.token !== "number") throw new Error("No token came out.");
        await sequence.eraseContextTokenRanges([{ start, end: start + tokens.length }]);
      }
    },
    async close() {
      await context.dispose();
      if (--held.users > 0) return;
      models.delete(path);
      await held.model.dispose();
    },
  };
}

serve(program);
