/**
 * Whole models in wllama, in a page of headless Chromium that is isolated, so that it has threads. The page takes its files
 * from a server of this process; nothing comes from a network. Times are the ones that llama.cpp inside takes.
 *
 * wllama completes texts and takes no token ids: the prompt is a letter repeated, which the vocabulary of the generated
 * files holds as one byte token each, behind three for the space that is put in front.
 */
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { HostProgram, OpenRequest } from "./protocol.js";
import { serve } from "./serve.js";

interface Browser {
  newPage(): Promise<Page>;
  version(): string;
}
interface Page {
  goto(url: string): Promise<unknown>;
  evaluate(expression: string): Promise<unknown>;
  close(): Promise<void>;
}
interface Timings {
  readonly prompt_n: number;
  readonly prompt_ms: number;
  readonly predicted_n: number;
  readonly predicted_ms: number;
}

/** Tokens that come before the first letter of a prompt. */
const PREFIX_TOKENS = 3;
const BROWSERS = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/** Decode steps of one completion: its beginning and end are not told apart from them. */
const FEWEST_STEPS = 4;
/** The page only has to read one script. */
const READY_MILLISECONDS = 20_000;
/** Time in `/proc` is counted in hundredths of a second on every Linux that Node runs on. */
const TICK_MILLISECONDS = 10;

/** `open` loads a model, `complete` gives the times of one completion. */
const page = `<!doctype html><meta charset="utf-8"><script type="module">
import { Wllama } from "/wllama/index.js";
let wllama;
window.open_model = async (options) => {
  wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true });
  // The build for old browsers would come from a network.
  wllama.setCompat?.(null);
  const blob = await (await fetch("/model")).blob();
  await wllama.loadModel([blob], options);
  return { threads: wllama.getNumThreads(), isolated: crossOriginIsolated };
};
window.complete = async (letters, tokens, cached) => {
  const { timings } = await wllama.createCompletion({
    prompt: "a".repeat(letters), max_tokens: tokens, temperature: 0, top_k: 1, ignore_eos: true, cache_prompt: cached,
  });
  return timings;
};
window.ready = true;
</script>`;

let library = "";
let modelPath = "";
let browser: Browser;
let server: Server;

const program: HostProgram = {
  async start([entry, playwright]) {
    // Its manifest names a file that is not in the package.
    const folder = dirname(entry!);
    library = existsSync(join(folder, "esm", "index.js")) ? join(folder, "esm") : folder;
    const { chromium } = (await import(pathToFileURL(playwright!).href)) as {
      chromium: { launch(options: object): Promise<Browser> };
    };
    const executablePath = findBrowser();
    if (executablePath === undefined) throw new Error("no Chromium was found; set CHROMIUM to the path of one");
    // Without a user of its own the browser's sandbox cannot be set up.
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await chromium.launch({ executablePath, headless: true, args });
    server = createServer((request, response) => {
      const path = new URL(request.url ?? "/", "http://localhost").pathname;
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
      const file =
        path === "/model" ? modelPath : path.startsWith("/wllama/") ? join(library, path.slice(8)) : undefined;
      if (path === "/") {
        response.setHeader("Content-Type", "text/html").end(page);
      } else if (file === undefined || file.includes("..") || !existsSync(file)) {
        response.writeHead(404).end();
      } else {
        const type = file.endsWith(".js") ? "text/javascript" : file.endsWith(".wasm") ? "application/wasm" : undefined;
        response.writeHead(200, {
          "Content-Type": type ?? "application/octet-stream",
          "Content-Length": statSync(file).size,
        });
        createReadStream(file).pipe(response);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { kernels: `WebAssembly in Chromium ${browser.version()}` };
  },
  async open(subject) {
    if (subject.kind !== "model") throw new Error("wllama multiplies no single matrices.");
    return await openModel(subject);
  },
  processorTime: familyTime,
};

async function openModel({ path, threads, capacity, context, tokens }: Extract<OpenRequest, { kind: "model" }>) {
  modelPath = path;
  const tab = await browser.newPage();
  await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const end = performance.now() + READY_MILLISECONDS;
  while ((await tab.evaluate("window.ready === true")) !== true) {
    if (performance.now() > end) throw new Error("its page did not start; is esm/index.js in the package?");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const options = { n_ctx: capacity, n_batch: 512, n_ubatch: 512, n_threads: threads, n_gpu_layers: 0, n_parallel: 1 };
  const opened = (await tab.evaluate(`window.open_model(${JSON.stringify(options)})`)) as { threads: number };
  if (opened.threads !== threads) throw new Error(`it runs on ${opened.threads} threads, not on ${threads}`);
  const isPrefill = tokens.length > 1;
  const letters = (isPrefill ? tokens.length : context.length) - PREFIX_TOKENS;
  const complete = async (predicted: number): Promise<Timings> =>
    (await tab.evaluate(`window.complete(${letters}, ${predicted}, ${!isPrefill})`)) as Timings;
  const first = await complete(1);
  if (isPrefill ? first.prompt_n !== tokens.length : false) {
    throw new Error(`the prompt came to ${first.prompt_n} tokens, not ${tokens.length}`);
  }
  return {
    async run(runs: number) {
      if (isPrefill) {
        let milliseconds = 0;
        for (let i = 0; i < runs; i++) milliseconds += (await complete(1)).prompt_ms;
        return { milliseconds };
      }
      // The first token comes from the prompt's last one; the others are one decode step each.
      const steps = Math.max(runs, FEWEST_STEPS);
      const { predicted_n: made, predicted_ms: time } = await complete(steps + 1);
      return { milliseconds: (time / Math.max(1, made - 1)) * runs, made: steps + 1 };
    },
    close: async () => await tab.close(),
  };
}

function findBrowser(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? "").split(":").filter((folder) => folder !== "");
  return BROWSERS.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}

/** Processor time of this process and all below it, in milliseconds, where Linux tells. */
function familyTime(): number {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1000;
  if (process.platform !== "linux") return own;
  const parents = new Map<number, { parent: number; time: number }>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // Fields after the command's name in brackets: state, parent, …; user and system time are the 12th and 13th.
      const fields = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      parents.set(Number(name), { parent: Number(fields[1]), time: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It ended meanwhile.
    }
  }
  const isBelow = (id: number): boolean => {
    for (let at = id; ; ) {
      const parent = parents.get(at)?.parent;
      if (parent === undefined || parent === 0) return false;
      if (parent === process.pid) return true;
      at = parent;
    }
  };
  const below = [...parents].filter(([id]) => isBelow(id));
  return own + TICK_MILLISECONDS * below.reduce((sum, [, { time }]) => sum + time, 0);
}

serve(program);
