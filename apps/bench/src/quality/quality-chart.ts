/** The picture of a quality document: perplexity and KL divergence over effective bits, both on logarithmic scales. */
import type { QualityDocument } from "./quality-document.js";
import type { QualityRow } from "./summarize.js";

/** A Vega-Lite specification, version 6, with its data inside. */
export type ChartSpecification = Readonly<Record<string, unknown>>;

const SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";
/** Colours that are told apart with colour-blind eyes, too (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const WIDTH = 330;
const HEIGHT = 230;

/** Draws one row of two panels per text: a line per method, the float model as a dashed rule. */
export function qualityChart({ rows, texts }: QualityDocument): ChartSpecification {
  const methods = [...new Set(rows.filter(({ kind }) => kind !== "float").map(({ method }) => method))];
  return {
    $schema: SCHEMA,
    background: "white",
    vconcat: texts.map(({ name }, index) => {
      const own = rows.filter(({ text }) => text === name);
      const isLast = index === texts.length - 1;
      return { hconcat: [perplexityPanel(name, own, methods, isLast), divergencePanel(name, own, methods, isLast)] };
    }),
    config: { font: "sans-serif", axis: { labelFontSize: 11, titleFontSize: 12 }, legend: { labelLimit: 300 } },
  };
}

function perplexityPanel(text: string, rows: readonly QualityRow[], methods: readonly string[], isLast: boolean) {
  const float = rows.find(({ kind }) => kind === "float");
  const rule =
    float === undefined
      ? []
      : [
          {
            data: { values: [{ perplexity: float.perplexity }] },
            mark: { type: "rule", strokeDash: [6, 4], color: "#666" },
            encoding: { y: { field: "perplexity", type: "quantitative" } },
          },
          {
            data: { values: [{ perplexity: float.perplexity, label: `float ${float.perplexity.toFixed(2)}` }] },
            mark: { type: "text", align: "right", baseline: "top", dy: 4, color: "#666", x: WIDTH - 4 },
            encoding: {
              y: { field: "perplexity", type: "quantitative" },
              text: { field: "label", type: "nominal" },
            },
          },
        ];
  return panel(
    `${text}: perplexity`,
    points(rows, ({ perplexity }) => perplexity),
    methods,
    isLast,
    rule,
  );
}

function divergencePanel(text: string, rows: readonly QualityRow[], methods: readonly string[], isLast: boolean) {
  const title = `${text}: mean KL divergence to float, nats per token`;
  return panel(
    title,
    points(rows, ({ kl }) => kl?.mean),
    methods,
    isLast,
    [],
  );
}

interface Point {
  readonly method: string;
  readonly variant: string;
  readonly bits: number;
  readonly value: number;
}

/** A logarithmic scale has no place for 0. */
function points(rows: readonly QualityRow[], of: (row: QualityRow) => number | undefined): Point[] {
  return rows.flatMap((row) => {
    const value = of(row);
    if (row.kind === "float" || value === undefined || !(value > 0) || !Number.isFinite(value)) return [];
    return [{ method: row.method, variant: row.variant, bits: row.effectiveBits, value }];
  });
}

function panel(
  title: string,
  values: readonly Point[],
  methods: readonly string[],
  isLast: boolean,
  further: readonly object[],
) {
  const scale = { domain: methods, range: methods.map((_, index) => COLOURS[index % COLOURS.length]) };
  return {
    title: { text: title, anchor: "start", fontSize: 12 },
    width: WIDTH,
    height: HEIGHT,
    layer: [
      {
        data: { values },
        mark: { type: "line", point: { size: 45, filled: true }, strokeWidth: 1.5 },
        encoding: {
          x: {
            field: "bits",
            type: "quantitative",
            title: isLast ? "effective bits per weight" : null,
            scale: { zero: false, nice: false, padding: 12 },
          },
          y: {
            field: "value",
            type: "quantitative",
            title: null,
            scale: { type: "log", nice: false, padding: 18 },
            axis: { tickCount: 6 },
          },
          color: { field: "method", type: "nominal", scale, legend: { title: null, orient: "bottom", columns: 3 } },
          order: { field: "bits", type: "quantitative" },
          tooltip: [{ field: "variant" }, { field: "bits" }, { field: "value" }],
        },
      },
      ...further,
    ],
  };
}
