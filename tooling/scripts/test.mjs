// `npm test`: installs, builds, checks the arrows between packages, and runs every test. Arguments go to vitest.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, run } from "./lib.mjs";
import { setUp } from "./set-up.mjs";

setUp();
await import(pathToFileURL(join(root, "tooling/scripts/check-arrows.mjs")).href);
if (!process.exitCode) run("node_modules/.bin/vitest", ["run", ...process.argv.slice(2)]);
