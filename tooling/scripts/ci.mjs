// All checks of the project in order, each counted; the last line is `N passed, N failed`. A step counts its own tests
// where it can say how many there were, else as one. Optional parts (a browser) are installed where that is possible and
// skip with a reason where it is not.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./lib.mjs";

const work = mkdtempSync(join(tmpdir(), "stepdown-ci-"));
let passed = 0;
let failed = 0;
let skipped = 0;

function step(name, command, args, { count } = {}) {
  process.stdout.write(`\n━━ ${name}\n`);
  const started = Date.now();
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 28,
    env: { ...process.env, CI: "true" },
  });
  process.stdout.write(result.stdout ?? "");
  const ok = result.status === 0;
  const counted = count?.(result.stdout ?? "");
  passed += counted?.passed ?? (ok ? 1 : 0);
  failed += counted?.failed ?? (ok ? 0 : 1);
  skipped += counted?.skipped ?? 0;
  if (!ok && (counted?.failed ?? 0) === 0 && counted !== undefined) failed++;
  process.stdout.write(`${ok ? "✓" : "✗"} ${name} (${((Date.now() - started) / 1000).toFixed(0)} s)\n`);
}

/** Reads the closing line of this project's own checks. */
function countLine(output) {
  const match = /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/.exec(output);
  return match ? { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3] ?? 0) } : undefined;
}

const report = join(work, "vitest.json");
step(
  "npm test",
  "npm",
  ["test", "--silent", "--", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
  {
    count: () => {
      try {
        const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests } = JSON.parse(
          readFileSync(report, "utf8"),
        );
        return {
          passed: numPassedTests,
          failed: Math.max(numFailedTests, numFailedTestSuites > 0 && numFailedTests === 0 ? 1 : 0),
          skipped: numPendingTests,
        };
      } catch {
        return undefined;
      }
    },
  },
);
step("types of the whole workspace", "npm", ["run", "--silent", "typecheck"]);
step("lint and format", "npm", ["run", "--silent", "lint"]);
step("npm run demo", "npm", ["run", "--silent", "demo"]);
step("commands in the README and docs run", process.execPath, ["tooling/scripts/check-docs.mjs"], { count: countLine });
step("packed packages", "npm", ["run", "--silent", "check-packages"], { count: countLine });

step("browser", process.execPath, ["tooling/scripts/check-browser.mjs"], { count: countLine });

rmSync(work, { recursive: true, force: true });
process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exitCode = failed > 0 ? 1 : 0;
