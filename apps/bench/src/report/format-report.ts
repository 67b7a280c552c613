/** A result document for a terminal: the machine in a few lines, then one table per case. */

import { engineRatios } from "./engine-ratios.js";
import { formatRatio, percent, significant, withPrefix } from "./format-numbers.js";
import { formatTable } from "./format-table.js";
import type { MachineReport, ResultDocument, ResultRow } from "./result-document.js";
import { variantNames } from "./variant-names.js";

/** Other programs that take more of the machine than this, in cores, are worth a warning. */
const FOREIGN_CORES_WARNING = 0.2;

/** The whole report, ending in a line break. */
export function formatReport({ machine, notes, rows }: ResultDocument): string {
  const cases = new Map<string, ResultRow[]>();
  for (const row of rows) {
    const key = `${row.suite} ${row.case}`;
    cases.set(key, [...(cases.get(key) ?? []), row]);
  }
  const parts = [formatMachine(machine), ...[...cases].map(([title, found]) => `${title}\n${formatCase(found)}`)];
  if (notes.length > 0) parts.push(notes.join("\n"));
  const warnings = warningsOf(machine, rows);
  if (warnings.length > 0) parts.push(warnings.join("\n"));
  return `${parts.join("\n\n")}\n`;
}

function formatMachine(machine: MachineReport): string {
  const cache = machine.lastLevelCacheBytes;
  const lines = [
    `${machine.cpu}, ${machine.cores} cores${cache === null ? "" : `, ${withPrefix(cache)}B last-level cache`}; Node ${machine.node}, ${machine.platform}`,
    ...machine.engines.map(({ name, kernels, threads, notes }) => {
      return `${name}: ${kernels}, ${threads} thread${threads === 1 ? "" : "s"}. ${notes.join(" ")}`.trimEnd();
    }),
  ];
  return lines.join("\n");
}

function formatCase(rows: readonly ResultRow[]): string {
  const [first] = rows as readonly [ResultRow];
  const names = variantNames(rows);
  const header = [
    "variant",
    "median ms",
    "quartiles",
    "CPU ms",
    `${first.workUnit}/s`,
    "weights read",
    "GB/s",
    `speed ÷ ${first.baseline} [95 %]`,
    "repetitions",
    "disturbed",
  ];
  const table = formatTable(
    header,
    rows.map((row, index) => [
      names[index]!,
      significant(row.medianMilliseconds),
      `${significant(row.lowerQuartile)}–${significant(row.upperQuartile)}`,
      significant(row.processorMilliseconds),
      withPrefix(row.workPerSecond),
      row.bytes === null ? "–" : `${withPrefix(row.bytes)}B`,
      row.gigabytesPerSecond === null ? "–" : row.gigabytesPerSecond.toFixed(2),
      formatRatio(row.speedup, row.speedupLow, row.speedupHigh),
      `${row.repetitions} × ${row.runsPerRepetition}`,
      `${percent(row.disturbedShare)}${row.reliable ? "" : " !"}`,
    ]),
  );
  const ratios = engineRatios(rows);
  if (ratios === undefined) return table;
  const cells = ratios.rows.map(({ name, ratios: found }) => [
    name,
    ...found.map(({ ratio, low = null, high = null }) => formatRatio(ratio, low, high)),
  ]);
  return `${table}\n\n${formatTable(["times as fast as [95 %]", ...ratios.others], cells)}`;
}

/** What a reader must know before believing the figures. */
export function warningsOf(machine: MachineReport, rows: readonly ResultRow[]): string[] {
  const warnings: string[] = [];
  if (rows.some(({ reliable }) => !reliable)) {
    warnings.push("! Too few quiet repetitions: disturbed ones are included. Repeat on an idle machine.");
  }
  if (machine.foreignCores > FOREIGN_CORES_WARNING) {
    warnings.push(
      `! Other programs kept ${machine.foreignCores.toFixed(1)} of ${machine.cores} cores busy while this ran; what they take of the memory's bandwidth cannot be seen here.`,
    );
  }
  return warnings;
}
