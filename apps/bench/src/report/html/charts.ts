/** Vega-Lite specifications of a case: times as bars, and time against bits. */
import type { ResultRow } from "../result-document.js";
import { variantNames } from "../variant-names.js";

/** A Vega-Lite specification, version 6, with its data inside. */
export type ChartSpecification = Readonly<Record<string, unknown>>;

const SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";
const WIDTH = 620;
const BAR_STEP = 22;
const LINE_HEIGHT = 300;
/** Colours that stay apart for most kinds of colour blindness (Okabe and Ito 2008); ours comes first. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"];

const config = {
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: { labelFontSize: 12, titleFontSize: 12, labelLimit: 320, titleFontWeight: "normal", gridColor: "#e6e6e6" },
  legend: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", orient: "top", title: null },
};

/** Medians as bars, quartiles as lines over them. */
export function timeChart(rows: readonly ResultRow[]): ChartSpecification {
  const names = variantNames(rows);
  const values = rows.map((row, index) => ({
    variant: names[index],
    engine: row.engine,
    milliseconds: row.medianMilliseconds,
    lower: row.lowerQuartile,
    upper: row.upperQuartile,
    label: `${row.medianMilliseconds.toPrecision(3)} ms`,
  }));
  const y = { field: "variant", type: "nominal", sort: null, title: null };
  return {
    $schema: SCHEMA,
    width: WIDTH,
    height: { step: BAR_STEP },
    data: { values },
    config,
    layer: [
      {
        mark: { type: "bar", height: { band: 0.7 }, tooltip: true },
        encoding: {
          y,
          x: { field: "milliseconds", type: "quantitative", title: "milliseconds, median and quartiles" },
          color: engineColour(rows),
        },
      },
      {
        mark: { type: "rule", strokeWidth: 1.5, color: "#222222" },
        encoding: { y, x: { field: "lower", type: "quantitative" }, x2: { field: "upper" } },
      },
      {
        mark: { type: "text", align: "left", dx: 6, fontSize: 11, color: "#444444" },
        encoding: { y, x: { field: "upper", type: "quantitative" }, text: { field: "label" } },
      },
    ],
  };
}

/** Time against bits, a line per engine and number of threads; `undefined` where there is only one width. */
export function bitsChart(rows: readonly ResultRow[]): ChartSpecification | undefined {
  const severalThreads = new Set(rows.map(({ threads }) => threads)).size > 1;
  const values = rows
    .filter(({ bits }) => bits > 0)
    .map((row) => ({
      series: `${row.engine} ${seriesOf(row.codec)}${severalThreads ? ` ×${row.threads}` : ""}`.replace(/ {2,}/, " "),
      engine: row.engine,
      threads: row.threads,
      bits: row.bits,
      milliseconds: row.medianMilliseconds,
      variant: row.codec,
    }));
  const widths = new Set(values.map(({ bits }) => bits));
  if (widths.size < 2) return undefined;
  const series = [...new Set(values.map((value) => value.series))];
  return {
    $schema: SCHEMA,
    width: WIDTH,
    height: LINE_HEIGHT,
    data: { values },
    config: { ...config, legend: { ...config.legend, columns: 3, labelLimit: 300, ...LINE_SYMBOLS } },
    mark: { type: "line", point: { size: 60, filled: true }, tooltip: true, strokeWidth: 2 },
    encoding: {
      x: { field: "bits", type: "ordinal", title: "bits per weight", axis: { labelAngle: 0 } },
      y: { field: "milliseconds", type: "quantitative", title: "milliseconds", scale: { zero: true } },
      color: {
        field: "series",
        type: "nominal",
        sort: series,
        scale: { range: series.map((name) => COLOURS[enginesOf(rows).indexOf(name.split(" ")[0]!) % COLOURS.length]) },
      },
      strokeDash: {
        field: "series",
        type: "nominal",
        sort: series,
        scale: { range: series.map((_, index) => DASHES[index % DASHES.length]) },
      },
      detail: { field: "series" },
    },
  };
}

/** Legends show a piece of line, in which the dashes are seen. */
const LINE_SYMBOLS = { symbolType: "stroke", symbolSize: 400, symbolStrokeWidth: 2 };

/** Lines of one engine share a colour and differ in their dashes. */
const DASHES = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 2, 2, 2],
];

/** Codecs of ours are lines of their own; the types of a peer are points of one line. */
function seriesOf(codec: string): string {
  if (codec.includes("block-")) return codec.slice(codec.indexOf("block-"));
  return /[A-Z]|-tuned$/.test(codec) ? "" : codec;
}

function enginesOf(rows: readonly ResultRow[]): string[] {
  return [...new Set(rows.map(({ engine }) => engine))];
}

function engineColour(rows: readonly ResultRow[]): object {
  const engines = enginesOf(rows);
  return {
    field: "engine",
    type: "nominal",
    scale: { domain: engines, range: engines.map((_, index) => COLOURS[index % COLOURS.length]) },
    ...(engines.length === 1 ? { legend: null } : {}),
  };
}
