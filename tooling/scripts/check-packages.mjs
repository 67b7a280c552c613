// Tests what users install: packs every published package, lints the tarballs (publint, type resolution), installs them
// in an empty project with npm, imports every export, type-checks a consumer under both resolution modes, and runs the
// scheduler of examples/custom-scheduler, a project outside the repository, through the contract suite and `generate`.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { pnpm, root, run, workspacePackages } from "./lib.mjs";

/** Bounds on what a user downloads, gzipped kilobytes of JavaScript without WebAssembly; core is contracts only. */
const CORE_LIMIT = 5;
const PACKAGE_LIMIT = 60;
/** Base64 of a WebAssembly module ("\\0asm") inside a script. */
const EMBEDDED_BYTES = /AGFzbQ[A-Za-z0-9+/=]+/g;

const results = [];
const work = mkdtempSync(join(tmpdir(), "stepdown-packages-"));
const keep = process.argv.includes("--keep");

function check(name, action) {
  try {
    const note = action();
    results.push(true);
    process.stdout.write(`✓ ${name}${note ? ` (${note})` : ""}\n`);
  } catch (error) {
    results.push(false);
    process.stdout.write(`✗ ${name}\n${String(error.message ?? error).replace(/^/gm, "    ")}\n`);
  }
}

function command(program, args, options = {}) {
  const done = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    ...options,
    env: { ...process.env, ...options.env },
  });
  if (done.status !== 0)
    throw new Error(
      `${basename(program)} ${args.join(" ")} ended with ${done.status ?? done.signal}\n${done.stdout}${done.stderr}`,
    );
  return done.stdout;
}

run("node_modules/.bin/turbo", ["run", "build", "types", "--output-logs=errors-only"], { quiet: true });

const published = workspacePackages().filter((p) => !p.manifest.private);
const tarballs = new Map();
for (const p of published) {
  const before = new Set(readdirSync(work));
  pnpm(["pack", "--pack-destination", work], { quiet: true, cwd: p.path });
  const file = readdirSync(work).find((name) => !before.has(name) && name.endsWith(".tgz"));
  tarballs.set(p.name, join(work, file));
  check(`${p.name}: the tarball is well-formed`, () => {
    const listing = command("tar", ["-tzf", join(work, file)])
      .split("\n")
      .filter(Boolean);
    const strays = listing.filter((path) => /\.test\.(ts|js)|node_modules|fixtures/.test(path));
    if (strays.length > 0) throw new Error(`files that do not belong: ${strays.join(", ")}`);
    const manifest = JSON.parse(command("tar", ["-xzOf", join(work, file), "package/package.json"]));
    for (const field of [
      "name",
      "version",
      "description",
      "license",
      "repository",
      "homepage",
      "bugs",
      "keywords",
      "engines",
      "exports",
      "files",
    ]) {
      if (manifest[field] === undefined) throw new Error(`package.json has no ${field}`);
    }
    if (/workspace:|catalog:/.test(JSON.stringify(manifest.dependencies ?? {})))
      throw new Error("unresolved workspace: or catalog: versions");
    if (!listing.includes("package/README.md")) throw new Error("no README.md");
    return `${listing.length} files, ${Math.round(statSync(join(work, file)).size / 1000)} kB`;
  });
  check(
    `${p.name}: publint`,
    () => void command(join(root, "node_modules/.bin/publint"), [join(work, file), "--strict"]),
  );
  if (p.manifest.exports["."] !== undefined) {
    check(`${p.name}: types resolve`, () => {
      // Bytes beside the scripts (./kernels.wasm) have no types to resolve.
      const bytes = Object.keys(p.manifest.exports).filter((entry) => entry.endsWith(".wasm"));
      command(join(root, "node_modules/.bin/attw"), [
        join(work, file),
        ...["--profile", "esm-only", "--format", "ascii"],
        ...(bytes.length > 0 ? ["--exclude-entrypoints", ...bytes] : []),
      ]);
    });
    check(`${p.name}: size`, () => {
      const scripts = distFiles(join(p.path, "dist")).filter((path) => path.endsWith(".js"));
      // Embedded WebAssembly does not count: it is what the package is for, and it hardly compresses.
      const code = scripts.map((path) => readFileSync(path, "utf8").replaceAll(EMBEDDED_BYTES, ""));
      const size = code.reduce((sum, text) => sum + gzipSync(text).length, 0) / 1000;
      const limit = p.folder === "core" ? CORE_LIMIT : PACKAGE_LIMIT;
      if (size > limit) throw new Error(`${size.toFixed(1)} kB gzipped, limit ${limit}`);
      return `${size.toFixed(1)} kB gzipped`;
    });
  }
}

const project = join(work, "empty-project");
mkdirSync(project);
writeFileSync(
  join(project, "package.json"),
  JSON.stringify({
    name: "consumer",
    private: true,
    type: "module",
    dependencies: Object.fromEntries([...tarballs].map(([name, path]) => [name, `file:${path}`])),
  }),
);
check("npm installs all tarballs into an empty project", () => {
  command("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: project });
});

const entries = published.flatMap((p) =>
  Object.keys(p.manifest.exports)
    .filter((key) => key !== "./package.json" && !key.endsWith(".wasm"))
    .map((key) => p.name + key.slice(1)),
);
check("every export can be imported by plain Node", () => {
  const script = `for (const entry of ${JSON.stringify(entries)}) { const m = await import(entry); if (Object.keys(m).length === 0) throw new Error(entry + " exports nothing"); }`;
  command(process.execPath, ["--input-type=module", "-e", script], { cwd: project });
  return `${entries.length} entries`;
});
for (const [module, moduleResolution] of [
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
]) {
  check(`a consumer type-checks with moduleResolution ${moduleResolution}`, () => {
    writeFileSync(
      join(project, "consumer.ts"),
      `${entries.map((entry, i) => `import * as m${i} from "${entry}";`).join("\n")}\nexport const all = [${entries.map((_, i) => `m${i}`).join(", ")}];\n`,
    );
    command(
      join(root, "node_modules/.bin/tsc"),
      [
        "--noEmit",
        "--strict",
        "--module",
        module,
        "--moduleResolution",
        moduleResolution,
        "--target",
        "es2022",
        "--lib",
        "es2023,esnext.disposable,dom,dom.iterable,dom.asynciterable",
        "--types",
        "",
        "consumer.ts",
      ],
      { cwd: project },
    );
  });
}

const example = join(root, "examples/custom-scheduler");
if (existsSync(example)) {
  cpSync(join(example, "scheduler.mjs"), join(project, "scheduler.mjs"));
  cpSync(join(example, "scheduler.test.mjs"), join(project, "scheduler.test.mjs"));
  check("a scheduler from outside passes the contract suite under node:test", () => {
    command(process.execPath, ["--test", "scheduler.test.mjs"], { cwd: project });
  });
  check("a scheduler from outside runs through stepdown generate", () => {
    const stepdown = join(project, "node_modules/.bin/stepdown");
    command(
      stepdown,
      ["quantize", "node_modules/@stepdown/cli/assets/tiny-stories", "--out", "nested", "--bits", "4", "--json"],
      { cwd: project },
    );
    const output = command(
      stepdown,
      [
        "generate",
        "--model",
        "nested",
        "--prompt",
        "Once upon a time",
        "--scheduler",
        "./scheduler.mjs",
        "--scheduler-option",
        "every=2",
        "--max-new-tokens",
        "9",
        "--json",
      ],
      { cwd: project },
    );
    const { tokens } = JSON.parse(output);
    const bits = tokens.map((token) => token.bits).join(",");
    if (bits !== "4,4,4,3,3,2,2,2,2") throw new Error(`unexpected precisions: ${bits}`);
    return bits;
  });
}

if (keep) process.stdout.write(`kept: ${work}\n`);
else rmSync(work, { recursive: true, force: true });
const failed = results.filter((ok) => !ok).length;
process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;

/** All files of a dist folder. */
function distFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? distFiles(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}
