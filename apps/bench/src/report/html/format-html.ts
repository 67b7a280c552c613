/**
 * A result document as one page that needs nothing else: charts (Vega's runtime inside), tables, machine, notes. The
 * document itself is in the page too, so that it can be compared or drawn again.
 */
import { engineRatios } from "../engine-ratios.js";
import { formatRatio, percent, significant, withPrefix } from "../format-numbers.js";
import { warningsOf } from "../format-report.js";
import type { MachineReport, ResultDocument, ResultRow } from "../result-document.js";
import { variantNames } from "../variant-names.js";
import { bitsChart, type ChartSpecification, timeChart } from "./charts.js";
import { renderChart, vegaRuntime } from "./render-charts.js";

const style = `
:root { color-scheme: light; --ink: #1c1c1e; --soft: #6b6b70; --line: #e2e2e6; --good: #00694d; --bad: #a33c00; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 1280px; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.8rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1.6rem 0 .4rem; font-weight: 600; }
p, li { max-width: 75ch; } .soft, caption { color: var(--soft); } .warning { color: var(--bad); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; margin: .6rem 0; }
caption { text-align: left; padding: .2rem 0; } .wide { overflow-x: auto; }
th, td { padding: .28rem .8rem .28rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; } th:first-child, td:first-child { text-align: left; }
.faster { color: var(--good); } .slower { color: var(--bad); } .range { color: var(--soft); font-size: .92em; }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem; } svg { max-width: 100%; height: auto; }
details { margin-top: 2.5rem; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; }
`;

/** Draws the charts again with Vega's runtime, for tooltips; without scripts the drawn ones stay. */
const script = `
for (const element of document.querySelectorAll("[data-chart]")) {
  const { vega: specification } = JSON.parse(document.getElementById(element.dataset.chart).textContent);
  element.textContent = "";
  new vega.View(vega.parse(specification), { renderer: "svg", container: element, hover: true }).runAsync();
}
`;

/** The page. */
export async function formatHtml(document: ResultDocument): Promise<string> {
  const { machine, rows, notes } = document;
  const cases = new Map<string, ResultRow[]>();
  for (const row of rows) {
    const key = `${row.suite}: ${row.case}`;
    cases.set(key, [...(cases.get(key) ?? []), row]);
  }
  const suites = [...new Set(rows.map(({ suite }) => suite))].join(", ");
  const sections: string[] = [];
  for (const [title, found] of cases) sections.push(await caseSection(title, found, sections.length));
  const warnings = warningsOf(machine, rows).map((line) => `<p class="warning">${escapeText(line)}</p>`);
  const remarks = notes.map((line) => `<li>${escapeText(line)}</li>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stepdown bench: ${escapeText(suites)}</title>
<style>${style}</style>
</head>
<body>
<h1>Stepdown bench: ${escapeText(suites)}</h1>
<p class="soft">${escapeText(machine.startedAt.replace("T", " ").slice(0, 16))} UTC</p>
${machineFacts(machine)}
${warnings.join("\n")}
${remarks.length === 0 ? "" : `<ul>${remarks.join("\n")}</ul>`}
${sections.join("\n")}
<details><summary>How to read this</summary>
<p>All variants of a case take turns, one repetition of each per round; another engine runs in a process of its own, which
takes its own times and waits without computing while others are measured. Bars are medians, lines over them quartiles.
Ratios are ratios of medians with 95 % bootstrap intervals over the repetitions: they cover what varied within this run,
not what differs from run to run (up to 15 % on a quiet machine). Repetitions that other programs disturbed were made
again; <b>!</b> marks rows without enough quiet ones.</p></details>
<script type="application/json" id="document">${json(document)}</script>
<script>${(await vegaRuntime()).replaceAll("</script", "<\\/script")}</script>
<script>${script}</script>
</body>
</html>
`;
}

async function caseSection(title: string, rows: readonly ResultRow[], number: number): Promise<string> {
  const charts = [timeChart(rows), bitsChart(rows)].filter((one): one is ChartSpecification => one !== undefined);
  const drawn: string[] = [];
  for (const [index, specification] of charts.entries()) {
    const { svg, vega } = await renderChart(specification);
    const id = `chart-${number}-${index}`;
    drawn.push(
      `<div data-chart="${id}">${svg}</div><script type="application/json" id="${id}">${json({ vegaLite: specification, vega })}</script>`,
    );
  }
  return `<section>
<h2>${escapeText(title)}</h2>
<div class="charts">${drawn.join("\n")}</div>
${ratioTable(rows)}
${caseTable(rows)}
</section>`;
}

function machineFacts(machine: MachineReport): string {
  const cache = machine.lastLevelCacheBytes;
  const facts: [string, string][] = [
    [
      "Processor",
      `${machine.cpu}, ${machine.cores} cores${cache === null ? "" : `, ${withPrefix(cache)}B last-level cache`}`,
    ],
    ["Memory", `${withPrefix(machine.memoryBytes)}B`],
    ["Runs on", `Node ${machine.node}, ${machine.platform}`],
    ["Other programs", `kept ${machine.foreignCores.toFixed(2)} of ${machine.cores} cores busy`],
    ...machine.engines.map(({ name, kernels, threads, notes }): [string, string] => {
      return [`${name} ×${threads}`, `${kernels}, ${threads} thread${threads === 1 ? "" : "s"}. ${notes.join(" ")}`];
    }),
  ];
  return `<dl>${facts.map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd>`).join("\n")}</dl>`;
}

function ratioTable(rows: readonly ResultRow[]): string {
  const table = engineRatios(rows);
  if (table === undefined) return "";
  const cell = ({ ratio, low, high }: { ratio: number; low?: number; high?: number }): string => {
    const verdict = low !== undefined && low > 1 ? "faster" : high !== undefined && high < 1 ? "slower" : "";
    const range =
      low === undefined || high === undefined
        ? ""
        : ` <span class="range">[${low.toFixed(2)}, ${high.toFixed(2)}]</span>`;
    return `<td class="${verdict}">${ratio.toFixed(2)}×${range}</td>`;
  };
  const body = table.rows.map(
    ({ name, ratios }) => `<tr><td>${escapeText(name)}</td>${ratios.map(cell).join("")}</tr>`,
  );
  return `<h3>Ours, times as fast as the others</h3>
<div class="wide"><table><tr><th></th>${table.others.map((name) => `<th>${escapeText(name)}</th>`).join("")}</tr>
${body.join("\n")}</table></div>`;
}

function caseTable(rows: readonly ResultRow[]): string {
  const names = variantNames(rows);
  const header = [
    ...["variant", "median ms", "quartiles", "CPU ms", `${rows[0]!.workUnit}/s`, "weights read", "GB/s"],
    ...[`speed ÷ ${rows[0]!.baseline}`, "repetitions", "disturbed"],
  ];
  const body = rows.map((row, index) => {
    const cells = [
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
    ];
    return `<tr>${cells.map((value) => `<td>${escapeText(value)}</td>`).join("")}</tr>`;
  });
  return `<h3>Times</h3>
<div class="wide"><table><tr>${header.map((name) => `<th>${escapeText(name)}</th>`).join("")}</tr>
${body.join("\n")}</table></div>`;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** JSON that cannot end the element it stands in. */
function json(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}
