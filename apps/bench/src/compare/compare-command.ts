/** `compare`: two documents of `--json` beside each other. */
import type { Command } from "commander";
import type { BenchIo } from "../bench-io.js";
import { withExamples } from "../options/examples.js";
import { number } from "../options/parse.js";
import { formatRatio, significant } from "../report/format-numbers.js";
import { formatTable } from "../report/format-table.js";
import { variantName } from "../report/result-document.js";
import { compareDocuments, type DocumentComparison, type Verdict } from "./compare-documents.js";
import { readDocument } from "./read-document.js";

interface CompareOptions {
  readonly noise: number;
  readonly json?: boolean;
}

/** What separate runs of the same kernels on one machine have been seen to differ by, in percent. */
const DEFAULT_NOISE = 15;

const verdictTexts: Readonly<Record<Verdict, string>> = {
  faster: "FASTER",
  slower: "SLOWER",
  noise: "within noise",
  unknown: "too few repetitions",
};

/** Adds the command. */
export function addCompareCommand(program: Command, io: BenchIo): void {
  const command = program
    .command("compare")
    .description("Compare two results of --json: ratios with intervals, and which differences are more than noise.")
    .argument("<first>", "document of the earlier run")
    .argument("<second>", "document of the later run")
    .option("--noise <percent>", "difference that separate runs show anyway", number(0, 1000), DEFAULT_NOISE)
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["decode --json > before.json", "measure, change something, measure again as after.json"],
    ["compare before.json after.json", "what became faster or slower"],
  ]);
  command.action(async (firstPath: string, secondPath: string, options: CompareOptions) => {
    const first = await readDocument(firstPath);
    const second = await readDocument(secondPath);
    const comparison = compareDocuments(first, second, options.noise / 100);
    io.print(
      options.json
        ? `${JSON.stringify({ first: firstPath, second: secondPath, noise: options.noise / 100, ...comparison })}\n`
        : formatComparison(comparison, options.noise),
    );
  });
}

function formatComparison(comparison: DocumentComparison, noise: number): string {
  const { rows, onlyInFirst, onlyInSecond, machineDifferences } = comparison;
  const parts: string[] = machineDifferences.map((difference) => `! Not the same machine: ${difference}`);
  if (rows.length > 0) {
    const header = ["case", "variant", "threads", "first ms", "second ms", "second's speed [95 %]", "verdict"];
    const cells = rows.map((row) => [
      `${row.suite} ${row.case}`,
      `${row.engine}/${variantName(row)}`,
      String(row.threads),
      significant(row.firstMilliseconds),
      significant(row.secondMilliseconds),
      `${formatRatio(row.speedup, row.speedupLow, row.speedupHigh)} ×`,
      `${verdictTexts[row.verdict]}${row.reliable ? "" : " !"}`,
    ]);
    parts.push(formatTable(header, cells));
    const beyond = rows.filter(({ verdict }) => verdict === "faster" || verdict === "slower").length;
    parts.push(`${beyond} of ${rows.length} differ by more than ${noise} %.`);
  } else parts.push("The two documents have no row in common.");
  if (rows.some(({ reliable }) => !reliable)) parts.push("! Measured with too few quiet repetitions.");
  for (const [where, keys] of [
    ["first", onlyInFirst],
    ["second", onlyInSecond],
  ] as const) {
    for (const key of keys) parts.push(`only in the ${where}: ${key}`);
  }
  return `${parts.join("\n")}\n`;
}
