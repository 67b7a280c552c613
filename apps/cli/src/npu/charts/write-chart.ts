/** Pictures as files: SVG, a page that needs nothing else, or the specification itself. */
import { extname } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { CommandContext } from "../../command-context.js";
import { writeOutput } from "../write-output.js";
import { type ChartSpecification, renderChart } from "./render-chart.js";

const ENDINGS: readonly string[] = [".svg", ".html", ".json"];

/** Adds `--out` to a command. */
export function addChartOption(command: Command): Command {
  return command.option(
    "--out <file>",
    "also draw: .svg, .html (picture, table and specification in one file) or .json (Vega-Lite)",
    chartPath,
  );
}

/** Draws and writes what `--out` asks for; `text` is the table that goes with the picture. */
export async function writeChart(
  path: string,
  specification: ChartSpecification,
  text: string,
  context: Pick<CommandContext, "tell">,
): Promise<void> {
  const ending = extname(path).toLowerCase();
  if (ending === ".json") {
    await writeOutput(path, `${JSON.stringify(specification, null, 2)}\n`);
  } else {
    const svg = await renderChart(specification);
    await writeOutput(path, ending === ".svg" ? `${svg}\n` : page(svg, specification, text));
  }
  context.tell(`wrote ${path}\n`);
}

/** One file without scripts or links: picture, table, and the specification for whoever wants to draw it anew. */
function page(svg: string, specification: ChartSpecification, text: string): string {
  const title = escapeMarkup(titleOf(specification));
  // "<" must not end the element that holds the specification.
  const data = JSON.stringify(specification).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>body { font-family: sans-serif; margin: 2rem; } svg { max-width: 100%; height: auto; } pre { overflow-x: auto; }</style>
</head>
<body>
<h1>${title}</h1>
${svg}
<pre>${escapeMarkup(text)}</pre>
<p>The picture's Vega-Lite specification, data included, is in this page's element <code>#vega-lite</code>.</p>
<script type="application/json" id="vega-lite">${data}</script>
</body>
</html>
`;
}

function titleOf({ title }: ChartSpecification): string {
  if (typeof title === "string") return title;
  const text = (title as { readonly text?: unknown } | undefined)?.text;
  return typeof text === "string" ? text : "NPU model";
}

function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function chartPath(text: string): string {
  if (ENDINGS.includes(extname(text).toLowerCase())) return text;
  throw new InvalidArgumentError(`Expected a file that ends in ${ENDINGS.join(", ")}.`);
}
