/** Vega-Lite specifications made ready for a page: compiled for Vega's runtime, and drawn for where no script runs. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { ChartSpecification } from "./charts.js";

/** One chart. */
export interface RenderedChart {
  readonly svg: string;
  /** The compiled specification. */
  readonly vega: unknown;
}

/** Compiles and draws. The libraries are large and loaded only when a report is asked for. */
export async function renderChart(specification: ChartSpecification): Promise<RenderedChart> {
  const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
  const { spec } = vegaLite.compile(specification as unknown as Parameters<typeof vegaLite.compile>[0]);
  const view = new vega.View(vega.parse(spec), { renderer: "none" });
  try {
    return { svg: await view.toSVG(), vega: spec };
  } finally {
    view.finalize();
  }
}

/** Vega's runtime as one script, from the installed package. */
export async function vegaRuntime(): Promise<string> {
  const module = createRequire(import.meta.url).resolve("vega");
  return await readFile(join(module, "..", "vega.min.js"), "utf8");
}
