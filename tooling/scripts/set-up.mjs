// Installs and builds what is missing or out of date, so that a fresh clone needs only Node and npm.
import { existsSync, mkdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesBelow, newest, pnpm, root, run, workspacePackages } from "./lib.mjs";

const installStamp = join(root, "node_modules/.stepdown-installed");
const buildStamp = join(root, "node_modules/.stepdown-built");

/** Installs when the lock file is newer than the last install; builds when a source is newer than the last build. */
export function setUp({ quiet = true } = {}) {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    process.stderr.write(`Stepdown needs Node 20.19 or newer; this is ${process.version}. See https://nodejs.org.\n`);
    process.exit(1);
  }
  if (
    stampTime(installStamp) <
    newest([join(root, "pnpm-lock.yaml"), ...workspacePackages().map((p) => join(p.path, "package.json"))])
  ) {
    process.stderr.write("Installing packages (once) …\n");
    pnpm(["install", "--frozen-lockfile"], { quiet });
    touch(installStamp);
  }
  const sources = workspacePackages()
    .flatMap((p) => filesBelow(p.path))
    .filter((file) => !file.endsWith(".md") && !file.includes("/src/generated/"));
  if (stampTime(buildStamp) < newest(sources)) {
    process.stderr.write("Building …\n");
    run("node_modules/.bin/turbo", ["run", "build", "--output-logs=errors-only", "--log-order=grouped"], { quiet });
    touch(buildStamp);
  }
}

function stampTime(path) {
  return existsSync(path) ? statSync(path).mtimeMs : -1;
}

function touch(path) {
  mkdirSync(join(root, "node_modules"), { recursive: true });
  writeFileSync(path, "");
  const now = new Date();
  utimesSync(path, now, now);
}

if (process.argv[1]?.endsWith("set-up.mjs")) setUp();
