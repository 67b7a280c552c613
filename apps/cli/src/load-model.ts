/** Opens a model directory and brings it into memory with the kernels of this machine. */
import type { Checkpoint, KernelSet, LanguageModel, Precision, Tokenizer } from "@stepdown/core";
import { createWasmKernels } from "@stepdown/kernels-wasm";
import { openCheckpoint } from "@stepdown/model-format";
import { loadLanguageModel } from "@stepdown/runtime";
import { createTokenizer } from "@stepdown/tokenization";
import type { CommandContext } from "./command-context.js";

/** A model ready to run, with everything it owns. */
export interface LoadedModel extends AsyncDisposable {
  readonly checkpoint: Checkpoint;
  readonly kernels: KernelSet;
  readonly model: LanguageModel;
  readonly tokenizer: Tokenizer;
}

/** What is loaded and with how many threads. */
export interface LoadOptions {
  /** Limits what is read from disk. Default: everything. */
  readonly precisions?: readonly Precision[];
  /** Threads of the kernels. Default: their own choice. */
  readonly threads?: number;
}

/** Loads a nested model or float checkpoint. */
export async function loadModel(
  location: string,
  context: CommandContext,
  { precisions, threads }: LoadOptions = {},
): Promise<LoadedModel> {
  const display = context.startProgress();
  const wait = { signal: context.signal, onProgress: display.onProgress };
  const owned: AsyncDisposable[] = [];
  const release = async () => {
    for (const resource of owned.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  };
  try {
    const maximumPrecision = precisions === undefined ? undefined : Math.max(...precisions);
    const checkpoint = await openCheckpoint(location, { maximumPrecision, ...wait });
    owned.push(checkpoint);
    const kernels = await createWasmKernels(threads === undefined ? {} : { threads });
    owned.push(kernels);
    const wanted = checkpoint.kind === "float" ? undefined : precisions;
    const model = await loadLanguageModel({ checkpoint, kernels, precisions: wanted, ...wait });
    owned.push(model);
    const tokenizer = createTokenizer(await checkpoint.readTextAssets());
    return { checkpoint, kernels, model, tokenizer, [Symbol.asyncDispose]: release };
  } catch (error) {
    await release();
    throw error;
  } finally {
    display.finish();
  }
}
