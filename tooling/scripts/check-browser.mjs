// The same program in a real browser: a page that bundles the packages as a user's bundler would, opens a nested model
// over HTTP ranges, and generates with a precision schedule. Its tokens must be Node's tokens, bit for bit. Needs a
// Chromium (`CHROMIUM`, or one on the path); where there is none, CI on Debian installs it, and elsewhere the check skips.
import { spawn, spawnSync } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { root, run } from "./lib.mjs";

const SCHEDULE = "4,3@8,2@16";
const PROMPT = "Once upon a time";
const TOKENS = 24;
/** Longest the page may take, start of the browser included, in milliseconds; only so that CI cannot hang. */
const PATIENCE = 180_000;

const browser = findBrowser();
if (browser === undefined) {
  process.stdout.write("browser: skipped, no Chromium found (set CHROMIUM to one)\n0 passed, 0 failed, 1 skipped\n");
  process.exit(0);
}

const work = mkdtempSync(join(tmpdir(), "stepdown-browser-"));
const stepdown = (...args) =>
  spawnSync(process.execPath, [join(root, "apps/cli/dist/main.js"), ...args], { encoding: "utf8" });
try {
  const model = join(work, "model");
  const quantized = stepdown("quantize", join(root, "apps/cli/assets/tiny-stories"), "--out", model, "--bits", "4");
  if (quantized.status !== 0) throw new Error(quantized.stderr);
  const node = JSON.parse(
    stepdown(
      "generate",
      "--model",
      model,
      "--prompt",
      PROMPT,
      "--schedule",
      SCHEDULE,
      "--max-new-tokens",
      String(TOKENS),
      "--json",
    ).stdout,
  );
  bundlePage();
  const page = await openPage();
  const expected = node.tokens.map(({ id, bits }) => `${id}@${bits}`).join(" ");
  const found = page.error ?? page.tokens.map(({ id, bits }) => `${id}@${bits}`).join(" ");
  const ok = found === expected;
  process.stdout.write(
    ok
      ? `✓ browser: ${TOKENS} tokens over HTTP ranges equal Node's (${page.userAgent.replace(/.*(Chrome\/\d+).*/, "$1")}; highest shard read ${page.shardsRead})\n`
      : `✗ browser\n  expected ${expected}\n  found    ${found}\n`,
  );
  process.stdout.write(`${ok ? 1 : 0} passed, ${ok ? 0 : 1} failed\n`);
  process.exitCode = ok ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

function findBrowser() {
  const onPath = () =>
    ["chromium", "chromium-browser", "google-chrome", "chrome"].find((name) => spawnSync("which", [name]).status === 0);
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  if (onPath() === undefined && process.env.CI && process.getuid?.() === 0 && existsSync("/etc/debian_version")) {
    process.stdout.write("installing chromium …\n");
    spawnSync("bash", ["-c", "apt-get update -qq && apt-get install -y -qq chromium"], {
      stdio: "ignore",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  }
  return onPath();
}

function bundlePage() {
  const entry = join(root, "apps/cli", ".browser-page.mjs");
  writeFileSync(
    entry,
    `import { createWasmKernels } from "@stepdown/kernels-wasm";
import { openCheckpoint } from "@stepdown/model-format";
import { generate, loadLanguageModel } from "@stepdown/runtime";
import { createSchedulerFromText } from "@stepdown/schedulers";
import { createTokenizer } from "@stepdown/tokenization";

async function program() {
  const checkpoint = await openCheckpoint(new URL("/model/", location.href));
  const model = await loadLanguageModel({ checkpoint, kernels: await createWasmKernels() });
  const tokenizer = createTokenizer(await checkpoint.readTextAssets());
  const tokens = [];
  const parts = generate({ model, tokenizer, scheduler: createSchedulerFromText(${JSON.stringify(SCHEDULE)}), prompt: tokenizer.encode(${JSON.stringify(PROMPT)}), maximumNewTokens: ${TOKENS} });
  for await (const part of parts) if (part.type === "token-generate") tokens.push({ id: part.id, bits: part.precision });
  return { tokens, userAgent: navigator.userAgent };
}
program()
  .catch((error) => ({ error: String(error?.stack ?? error) }))
  .then((result) => fetch("/result", { method: "POST", body: JSON.stringify(result) }));
`,
  );
  try {
    const output = join(work, "page", "page.js");
    run(
      "node_modules/.bin/esbuild",
      [
        entry,
        "--bundle",
        "--format=esm",
        "--platform=browser",
        "--target=es2022",
        `--outfile=${output}`,
        "--log-level=error",
      ],
      { quiet: true },
    );
  } finally {
    rmSync(entry, { force: true });
  }
}

/** Serves page and model, opens the browser, and resolves with what the page reports. */
async function openPage() {
  const shards = new Set();
  let report;
  const reported = new Promise((resolve) => {
    report = resolve;
  });
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    if (path === "/result") {
      let body = "";
      request.on("data", (piece) => {
        body += piece;
      });
      request.on("end", () => {
        response.end();
        report({ ...JSON.parse(body), shardsRead: shards.size });
      });
      return;
    }
    if (path === "/") {
      response.setHeader("content-type", "text/html");
      response.end('<!doctype html><script type="module" src="/page/page.js"></script>');
      return;
    }
    const file = join(work, path);
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.statusCode = 404;
      response.end();
      return;
    }
    if (path.endsWith(".safetensors")) shards.add(path);
    response.setHeader("accept-ranges", "bytes");
    if (path.endsWith(".js")) response.setHeader("content-type", "text/javascript");
    const size = statSync(file).size;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (range === null) {
      response.setHeader("content-length", size);
      if (request.method === "HEAD") response.end();
      else createReadStream(file).pipe(response);
      return;
    }
    const from = Number(range[1]);
    const to = Math.min(range[2] === "" ? size - 1 : Number(range[2]), size - 1);
    response.writeHead(206, { "content-range": `bytes ${from}-${to}/${size}`, "content-length": to - from + 1 });
    createReadStream(file, { start: from, end: to }).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const child = spawn(
    browser,
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      `--user-data-dir=${join(work, "profile")}`,
      `http://127.0.0.1:${server.address().port}/`,
    ],
    { stdio: "ignore" },
  );
  const timer = setTimeout(() => report({ error: "the page reported nothing" }), PATIENCE);
  try {
    return await reported;
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    await new Promise((resolve) =>
      child.exitCode === null && child.signalCode === null ? child.once("close", resolve) : resolve(),
    );
    server.close();
    server.closeAllConnections();
  }
}
