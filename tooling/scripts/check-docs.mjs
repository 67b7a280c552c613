// Runs what the documentation tells people to run: every block fenced as ```sh after a line `<!-- run -->`, in order, file
// by file, in a temporary folder that holds the embedded model (also under the names the documents use for a checkpoint), `my-model`, nested,
// and a text. `stepdown` and `npm run -s stepdown --` mean this clone's command line.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { filesBelow, root, workspacePackages } from "./lib.mjs";

const files = [
  join(root, "README.md"),
  ...filesBelow(join(root, "docs")),
  ...workspacePackages().map((p) => join(p.path, "README.md")),
].filter((file) => file.endsWith(".md"));
let passed = 0;
let failed = 0;

for (const file of files) {
  const blocks = [...readFileSync(file, "utf8").matchAll(/<!-- run -->\s*```(sh|js|ts)\n([\s\S]*?)```/g)];
  if (blocks.length === 0) continue;
  const folder = mkdtempSync(join(tmpdir(), "stepdown-docs-"));
  const model = join(root, "apps/cli/assets/tiny-stories");
  for (const name of ["tiny-stories", "SmolLM2-135M-Instruct"]) cpSync(model, join(folder, name), { recursive: true });
  writeFileSync(
    join(folder, "wiki.txt"),
    "Once upon a time there was a small dog. The dog liked to play in the park with his friends. ".repeat(120),
  );
  const shim = join(folder, "stepdown");
  writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${join(root, "apps/cli/dist/main.js")}" "$@"\n`);
  chmodSync(shim, 0o755);
  const quantize = ["quantize", "tiny-stories", "--out", "my-model", "--bits", "4", "--json"];
  spawnSync(shim, quantize, { cwd: folder });
  for (const [, language, source] of blocks) {
    const script = source.replaceAll("npm run -s stepdown --", "stepdown").replaceAll("npm run demo", "stepdown demo");
    const environment = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
    const result =
      language === "sh"
        ? spawnSync("bash", ["-e", "-c", script], { cwd: folder, encoding: "utf8", env: environment })
        : runProgram(script, language, homeOf(file), folder);
    const ok = result.status === 0;
    if (ok) passed++;
    else failed++;
    process.stdout.write(
      `${ok ? "✓" : "✗"} ${relative(root, file)}: ${source.trim().split("\n")[0]} …\n${ok ? "" : `${result.stdout}${result.stderr}\n`}`,
    );
  }
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;

/** The package a document belongs to; the root's documents use the command line's dependencies, which are all of them. */
function homeOf(file) {
  return workspacePackages().find(({ path }) => file.startsWith(`${path}/`))?.path ?? join(root, "apps/cli");
}

/** A program of a README, run where its imports can be found, with the temporary folder as working folder. */
function runProgram(source, language, home, folder) {
  const file = join(home, ".readme-program.mjs");
  const plain = (typescript) =>
    execFileSync(join(root, "node_modules/.bin/esbuild"), ["--loader=ts", "--target=es2022"], {
      input: typescript,
      encoding: "utf8",
    });
  writeFileSync(file, language === "ts" ? plain(source) : source);
  try {
    return spawnSync(process.execPath, [file], { cwd: folder, encoding: "utf8" });
  } finally {
    rmSync(file, { force: true });
  }
}
