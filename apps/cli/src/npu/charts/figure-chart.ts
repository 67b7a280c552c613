/** The throughput figure: published bars and ours side by side, one panel per model and task. */
import type { FigureBar } from "@stepdown/npu-model";
import { lastPart } from "../nearest-name.js";
import { chart, SOURCE_COLORS } from "./chart-style.js";
import type { ChartSpecification } from "./render-chart.js";

/** Panel size, pixels; a pair of bars needs room for two numbers above it. */
const PANEL = { width: 250, height: 150 } as const;

/** Room above the highest bar for its number. */
const HEADROOM = 1.14;

const PUBLISHED = "published";
const OURS = "this model";

/** The figure's specification. */
export function figureSpecification(bars: readonly FigureBar[], profile: string): ChartSpecification {
  const rows = groupBy(bars, (bar) => bar.model);
  return chart(
    `PMPD on NPUs: published throughput and this model (${profile} profile)`,
    [
      "Above the bars: times the speed of fp16, as printed and as computed.",
      "* average bits known only from the bar itself, no evidence",
    ],
    {
      vconcat: [...rows].map(([model, ofModel]) => {
        const top = Math.max(...ofModel.flatMap((bar) => [bar.tokensPerSecond, bar.publishedTokensPerSecond]));
        const panels = [...groupBy(ofModel, (bar) => bar.task)];
        return {
          title: { text: `${lastPart(model)} on ${ofModel[0]!.hardware}`, anchor: "start", fontSize: 12, offset: 4 },
          spacing: 12,
          hconcat: panels.map(([task, ofPanel], column) => panel(`${task}`, ofPanel, top * HEADROOM, column === 0)),
        };
      }),
      spacing: 18,
    },
  );
}

function panel(title: string, bars: readonly FigureBar[], top: number, withTitle: boolean): ChartSpecification {
  const values = bars.flatMap((bar) => {
    const star = bar.bitsSource === "backed-out" ? "*" : "";
    const { scheme, bits } = bar;
    const ours = bar.scheme === "fp16" ? "" : `${bar.speedup.toFixed(2)}${star}`;
    const printed = bar.publishedSpeedup === undefined ? "" : bar.publishedSpeedup.toFixed(1);
    return [
      { scheme, bits, source: PUBLISHED, tokensPerSecond: bar.publishedTokensPerSecond, label: printed },
      { scheme, bits, source: OURS, tokensPerSecond: round(bar.tokensPerSecond), label: ours },
    ];
  });
  const place = {
    x: {
      field: "scheme",
      type: "nominal",
      sort: null,
      title: null,
      axis: { labelAngle: 0 },
      scale: { paddingInner: 0.15 },
    },
    xOffset: { field: "source", type: "nominal", sort: [PUBLISHED, OURS] },
    y: {
      field: "tokensPerSecond",
      type: "quantitative",
      title: withTitle ? "tokens/s" : null,
      scale: { domain: [0, top], nice: false },
      axis: { tickCount: 5 },
    },
  };
  return {
    title: { text: title, fontSize: 11, fontWeight: "normal", offset: 2 },
    ...PANEL,
    data: { values },
    encoding: place,
    layer: [
      {
        mark: "bar",
        encoding: {
          color: {
            field: "source",
            type: "nominal",
            title: null,
            scale: { domain: [PUBLISHED, OURS], range: [SOURCE_COLORS.published, SOURCE_COLORS.ours] },
            legend: { orient: "top" },
          },
        },
      },
      { mark: { type: "text", dy: -6, fontSize: 9 }, encoding: { text: { field: "label", type: "nominal" } } },
    ],
  };
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

/** Specifications are read by people, too. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}
