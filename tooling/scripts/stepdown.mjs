// `npm run -s stepdown -- <command> …`: the command line of this clone, set up on first use.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./lib.mjs";
import { setUp } from "./set-up.mjs";

setUp();
// npm runs scripts in the repository root; paths on the command line are meant from where the user stands.
const cwd = process.env.INIT_CWD ?? process.cwd();
const child = spawn(process.execPath, [join(root, "apps/cli/dist/main.js"), ...process.argv.slice(2)], {
  stdio: "inherit",
  cwd,
});
// The terminal sends Ctrl-C to the whole group: stay until the child has cleaned up.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
