/** Tables of `stepdown npu`: runs side by side, operators, steps. */
import { precisionLabel } from "../output/precision-style.js";
import { formatTable } from "../output/table.js";
import { type PricedRun, prefillOperators, speedups } from "./priced-run.js";
import { formatPercent, formatRate, formatSi } from "./si-units.js";

/** Quantities as rows, runs as columns. */
export function formatRuns(runs: readonly PricedRun[]): string {
  const { bits } = runs[0]!.against;
  const charged = (run: PricedRun, text: string): string => (run.cost.prefill === undefined ? "not charged" : text);
  const rows: (readonly [string, (run: PricedRun) => string])[] = [
    ["average bits", ({ cost }) => cost.averageBits.toFixed(2)],
    ["time to first token", (run) => charged(run, formatSi(run.cost.timeToFirstTokenSeconds, "s"))],
    ["whole generation", ({ cost }) => formatSi(cost.seconds, "s")],
    ["tokens/s", ({ cost }) => formatRate(cost.tokensPerSecond)],
    ["tokens/s in decode", ({ cost }) => formatRate(cost.decodeTokensPerSecond)],
    ["moved", ({ cost }) => formatSi(cost.bytes, "B")],
    ["moved per step", ({ cost }) => formatSi(cost.averageBytesPerStep, "B")],
    ["multiply-accumulates", ({ cost }) => formatSi(cost.macs, "MAC")],
    ["energy", ({ cost }) => formatSi(cost.energy.totalJoules, "J")],
    ["energy per token", ({ cost }) => formatSi(cost.joulesPerToken, "J")],
    ["bandwidth in use", ({ cost }) => formatPercent(cost.bandwidthUtilization)],
    ["decode limited by", ({ cost }) => [...new Set(cost.steps.map((step) => step.limit))].join(", ")],
    ["speed-up over fp16", (run) => `${speedups(run).overFloat.toFixed(2)}×`],
  ];
  if (bits !== 16) rows.push([`speed-up over ${bits} bits`, (run) => `${speedups(run).overUniform.toFixed(2)}×`]);
  return formatTable(
    ["", ...runs.map((run) => run.name)],
    rows.map(([title, cell]) => [title, ...runs.map(cell)]),
  );
}

/** Where a run's time goes: the prompt's pass, then all decode steps together. */
export function formatOperators({ name, cost }: PricedRun): string {
  const prefill = prefillOperators(cost);
  const prefillSeconds = cost.timeToFirstTokenSeconds;
  const overhead = cost.prefill?.overheadSeconds ?? 0;
  const row = (
    operator: { name: string; seconds: number; bytes: number; macs: number },
    all: number,
    last: string,
  ): string[] => [
    operator.name,
    formatSi(operator.seconds, "s"),
    formatPercent(operator.seconds / all),
    formatSi(operator.bytes, "B"),
    formatSi(operator.macs, "MAC"),
    last,
  ];
  const prompt = [
    ...prefill.map((operator) => row(operator, prefillSeconds, operator.limit)),
    row({ name: "overhead", seconds: overhead, bytes: 0, macs: 0 }, prefillSeconds, ""),
  ];
  const decode = cost.operators.map((operator) =>
    row(operator, cost.decodeSeconds, `${formatSi(operator.seconds / cost.decodePasses, "s")}`),
  );
  const header = (title: string, last: string): string[] => [title, "time", "share", "moved", "arithmetic", last];
  return [
    ...(prefill.length === 0 ? [] : [formatTable(header(`${name}: prompt`, "limited by"), prompt)]),
    formatTable(header(`${name}: decode`, "per step"), decode),
  ].join("\n\n");
}

/** Every decode step of a run. */
export function formatSteps({ name, cost }: PricedRun): string {
  return formatTable(
    [`${name}: step`, "bits", "context", "time", "moved", "arithmetic", "energy", "bandwidth", "limited by"],
    cost.steps.map((step, index) => [
      String(index),
      precisionLabel(step.precision),
      String(step.contextTokens),
      formatSi(step.seconds, "s"),
      formatSi(step.bytes, "B"),
      formatSi(step.macs, "MAC"),
      formatSi(step.joules, "J"),
      formatPercent(step.bandwidthUtilization),
      step.limit,
    ]),
  );
}
