import type { ChartSpecification } from "./quality-chart.js";

/**
 * Draws a Vega-Lite specification as SVG text, without a browser. The libraries are large and loaded only when a picture
 * is wanted. `onWarning` gets what they complain about.
 */
export async function renderChart(
  specification: ChartSpecification,
  onWarning: (message: string) => void = () => {},
): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
  const logger = {
    level: () => logger,
    error: (...parts: readonly unknown[]) => complain(parts),
    warn: (...parts: readonly unknown[]) => complain(parts),
    info: () => logger,
    debug: () => logger,
  };
  function complain(parts: readonly unknown[]): typeof logger {
    onWarning(parts.map(String).join(" "));
    return logger;
  }
  const compiled = vegaLite.compile(specification as unknown as Parameters<typeof vegaLite.compile>[0], {
    logger: logger as never,
  });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: "none", logger: logger as never });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
