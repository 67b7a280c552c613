/**
 * Workers of Node and of browsers behind one small interface, and whether there are any. Node's modules are asked of the
 * process, which keeps them out of browser bundles.
 */
import { browserWorkerSource, nodeWorkerSource } from "./worker-source.js";

/** A worker that computes until its board says the end. */
export interface TeamWorker {
  terminate(): unknown;
}

/** Everything a worker is told; see `worker-source.ts`. */
export interface WorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Of the board. */
  readonly address: number;
}

/** The part of Node's workers used here. */
interface NodeWorker extends TeamWorker {
  once(event: "message" | "error" | "exit", listener: (value: unknown) => void): void;
  unref(): void;
}
type NodeWorkerConstructor = new (
  source: string,
  options: { eval: true; execArgv: string[]; workerData: unknown; name: string },
) => NodeWorker;

/** The part of a browser's workers used here. */
interface BrowserWorker extends TeamWorker {
  onmessage: (() => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
  postMessage(data: WorkerData): void;
}
type BrowserWorkerConstructor = new (address: string, options: { type: "module"; name: string }) => BrowserWorker;

interface Surroundings {
  readonly process?: { getBuiltinModule?(name: string): unknown };
  readonly Worker?: BrowserWorkerConstructor;
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
}

const NAME = "stepdown kernels";

function findNodeWorkers(): NodeWorkerConstructor | undefined {
  const found = (globalThis as Surroundings).process?.getBuiltinModule?.("node:worker_threads");
  return (found as { Worker: NodeWorkerConstructor } | undefined)?.Worker;
}

/** Why workers cannot share memory here, or undefined where they can. */
export function reasonAgainstThreads(): string | undefined {
  const { Worker, crossOriginIsolated } = globalThis as Surroundings;
  if (crossOriginIsolated === false)
    return (
      "this page is not cross-origin isolated, so that it may not share memory with workers " +
      "(it must be served with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp)"
    );
  if (typeof SharedArrayBuffer === "undefined") return "this runtime has no shared memory";
  if (findNodeWorkers() === undefined && typeof Worker !== "function") return "this runtime has no workers";
  return undefined;
}

/** Processors that this program may use, as far as is known. */
export function countProcessors(): number {
  const { process, navigator } = globalThis as Surroundings;
  const system = process?.getBuiltinModule?.("node:os") as { availableParallelism?(): number } | undefined;
  return system?.availableParallelism?.() ?? navigator?.hardwareConcurrency ?? 1;
}

/** Starts a worker; settles when it looks at the board, or rejects with the reason why it does not. */
export function startWorker(data: WorkerData): Promise<TeamWorker> {
  const NodeWorkers = findNodeWorkers();
  return NodeWorkers === undefined ? startBrowserWorker(data) : startNodeWorker(NodeWorkers, data);
}

async function startNodeWorker(NodeWorkers: NodeWorkerConstructor, workerData: WorkerData): Promise<TeamWorker> {
  // Without the program's own flags, which may load compilers and hooks that a worker has no use for.
  const worker = new NodeWorkers(nodeWorkerSource, { eval: true, execArgv: [], workerData, name: NAME });
  await new Promise<void>((resolve, reject) => {
    worker.once("message", () => resolve());
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("the worker ended before it began")));
  });
  // A program that ends without disposing of its kernels is not held up.
  worker.unref();
  return worker;
}

async function startBrowserWorker(data: WorkerData): Promise<TeamWorker> {
  const { Worker } = globalThis as unknown as { Worker: BrowserWorkerConstructor };
  const address = URL.createObjectURL(new Blob([browserWorkerSource], { type: "text/javascript" }));
  try {
    const worker = new Worker(address, { type: "module", name: NAME });
    try {
      await new Promise<void>((resolve, reject) => {
        worker.onmessage = () => resolve();
        worker.onerror = ({ message }) =>
          reject(new Error(message ?? "the page's Content-Security-Policy may not allow workers from blob: addresses"));
        worker.postMessage(data);
      });
    } catch (error) {
      worker.terminate();
      throw error;
    }
    return worker;
  } finally {
    URL.revokeObjectURL(address);
  }
}
