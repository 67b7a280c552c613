/** A grid of machines, one panel per precision, with the lines on which memory and compute take equally long. */
import type { DesignSpace } from "@stepdown/npu-model";
import { chart } from "./chart-style.js";
import type { ChartSpecification } from "./render-chart.js";

const PANEL = { width: 300, height: 220 } as const;

/** Panels in a row. */
const COLUMNS = 2;

/** Room around the outermost machines, factor on the logarithmic axes. */
const MARGIN = 1.5;

const LIMIT_SHAPES = {
  memory: "circle",
  compute: "square",
  "special-functions": "diamond",
  overhead: "triangle-up",
} as const;
const LIMITS: readonly (keyof typeof LIMIT_SHAPES)[] = ["memory", "compute", "special-functions", "overhead"];

const DECODE_LINE = "decode";
const PREFILL_LINE = "prefill";

/** The picture's specification. */
export function sweepSpecification(
  { points, breakEven }: DesignSpace,
  subtitle: readonly string[],
): ChartSpecification {
  const values = points.map((point) => ({
    bits: point.bits,
    gigabytesPerSecond: point.bandwidthBytesPerSecond / 1e9,
    macsPerCycle: point.macsPerCycle,
    tokensPerSecond: point.tokensPerSecond,
    limit: point.decodeLimit,
  }));
  const lines = breakEven.flatMap((point) => {
    const { bits } = point;
    const gigabytesPerSecond = point.bandwidthBytesPerSecond / 1e9;
    return [
      { bits, gigabytesPerSecond, macsPerCycle: point.decodeMacsPerCycle, phase: DECODE_LINE },
      { bits, gigabytesPerSecond, macsPerCycle: point.prefillMacsPerCycle, phase: PREFILL_LINE },
    ].filter(({ macsPerCycle }) => Number.isFinite(macsPerCycle) && macsPerCycle > 0);
  });
  const x = {
    field: "gigabytesPerSecond",
    type: "quantitative",
    title: "bandwidth, GB/s",
    scale: { type: "log", domain: around(values.map((value) => value.gigabytesPerSecond)), nice: false },
    axis: { values: ticks(values.map((value) => value.gigabytesPerSecond)), format: "~s", labelOverlap: true },
  };
  const y = {
    field: "macsPerCycle",
    type: "quantitative",
    title: "MACs per cycle",
    scale: { type: "log", domain: around([...values, ...lines].map((value) => value.macsPerCycle)), nice: false },
    axis: { values: ticks(values.map((value) => value.macsPerCycle)), format: ",~f", labelOverlap: true },
  };
  const bits = [...new Set(points.map((point) => point.bits))];
  const limits = LIMITS.filter((limit) => points.some((point) => point.decodeLimit === limit));
  const panel = (precision: number): ChartSpecification => ({
    title: { text: `${precision} bits`, fontSize: 12, anchor: "start", offset: 4 },
    ...PANEL,
    layer: [
      {
        data: { values: values.filter((value) => value.bits === precision) },
        mark: { type: "point", size: 150, filled: true, opacity: 1, stroke: "#333333", strokeWidth: 0.6 },
        encoding: {
          x,
          y,
          color: {
            field: "tokensPerSecond",
            type: "quantitative",
            title: "tokens/s",
            scale: { type: "log", scheme: "viridis", domain: range(values.map((value) => value.tokensPerSecond)) },
            legend: { format: "~s" },
          },
          shape: {
            field: "limit",
            type: "nominal",
            title: "decode limited by",
            scale: { domain: limits, range: limits.map((limit) => LIMIT_SHAPES[limit]) },
            legend: { symbolFillColor: "#888888" },
          },
        },
      },
      {
        data: { values: lines.filter((line) => line.bits === precision) },
        mark: { type: "line", color: "#d55e00", strokeWidth: 2, clip: true },
        encoding: {
          x,
          y,
          strokeDash: {
            field: "phase",
            type: "nominal",
            title: "memory = compute in",
            scale: {
              domain: [DECODE_LINE, PREFILL_LINE],
              range: [
                [1, 0],
                [6, 4],
              ],
            },
            legend: { symbolStrokeColor: "#d55e00", symbolType: "stroke", symbolSize: 300 },
          },
        },
      },
    ],
  });
  return chart("Machines: tokens per second, and the memory–compute balance", subtitle, {
    columns: COLUMNS,
    concat: bits.map(panel),
    spacing: 20,
  });
}

function range(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function around(values: readonly number[]): [number, number] {
  const [low, high] = range(values);
  return [low / MARGIN, high * MARGIN];
}

function ticks(values: readonly number[]): number[] {
  return [...new Set(values)].sort((one, other) => one - other);
}
