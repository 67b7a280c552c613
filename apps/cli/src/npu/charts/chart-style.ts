/** What the pictures have in common. Colours can be told apart with any colour vision (after Okabe and Ito). */
import { type ChartSpecification, VEGA_LITE_SCHEMA } from "./render-chart.js";

/** Published numbers and ours. */
export const SOURCE_COLORS = { published: "#9a9a9a", ours: "#0072b2" } as const;

const BIT_COLORS: Readonly<Record<number, string>> = {
  1: "#882255",
  2: "#d55e00",
  3: "#e69f00",
  4: "#009e73",
  5: "#44aa99",
  6: "#56b4e9",
  7: "#332288",
  8: "#cc79a7",
  16: "#0072b2",
  32: "#000000",
};

/** A colour scale over precisions, the same colour for the same bits in every picture. */
export function bitScale(bits: readonly number[]): { readonly domain: number[]; readonly range: string[] } {
  const domain = [...new Set(bits)].sort((one, other) => one - other);
  return { domain, range: domain.map((value) => BIT_COLORS[value] ?? "#000000") };
}

/** A specification with title, subtitle and the common look. */
export function chart(title: string, subtitle: readonly string[], content: ChartSpecification): ChartSpecification {
  return {
    $schema: VEGA_LITE_SCHEMA,
    title: {
      text: title,
      subtitle,
      anchor: "start",
      fontSize: 15,
      subtitleFontSize: 11,
      subtitlePadding: 4,
      offset: 12,
    },
    background: "white",
    padding: 12,
    ...content,
    config: {
      font: "sans-serif",
      view: { stroke: "#cccccc" },
      axis: { labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal", gridColor: "#eeeeee" },
      legend: { labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal" },
    },
  };
}
