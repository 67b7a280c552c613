/**
 * The engines that can be measured, by the name `--engine` takes. A further one (another library, another backend) is one
 * entry here and one file beside this one; libraries that are not always installed belong behind a dynamic import.
 */
import { createReferenceKernels } from "@stepdown/kernels";
import { createWasmKernels } from "@stepdown/kernels-wasm";
import type { Engine } from "./engine.js";
import { createStepdownEngine } from "./stepdown-engine.js";

/** How an engine is started. */
export interface EngineEntry {
  readonly title: string;
  start(signal: AbortSignal, threads?: number): Promise<Engine>;
  /** Whether it can use more threads than one. */
  readonly threaded: boolean;
}

/** All engines. */
export const engineList: Readonly<Record<string, EngineEntry>> = {
  wasm: {
    title: "Stepdown on WebAssembly kernels",
    threaded: true,
    start: async (signal, threads = 1) => createStepdownEngine("wasm", await createWasmKernels({ signal, threads })),
  },
  reference: {
    title: "Stepdown on the plain TypeScript kernels, the slow specification",
    threaded: false,
    start: async () => createStepdownEngine("reference", createReferenceKernels()),
  },
};

/** What `--engine` is when it is not given. */
export const DEFAULT_ENGINES: readonly string[] = ["wasm"];
