/**
 * Pictures from Vega-Lite specifications: SVG, drawn here without a browser. The libraries are large and loaded only when
 * a picture is asked for.
 */

/** A Vega-Lite specification, version 6, with its data inside. */
export type ChartSpecification = Readonly<Record<string, unknown>>;

/** Schema of the specifications made here. */
export const VEGA_LITE_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";

/** Draws a specification as SVG text. `onWarning` gets what the libraries complain about. */
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
    logger: logger as unknown as NonNullable<Parameters<typeof vegaLite.compile>[1]>["logger"],
  });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: "none", logger: logger as never });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
