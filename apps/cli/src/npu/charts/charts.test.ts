import {
  createHardware,
  NPU_S,
  PAPER_PROFILE,
  paperFigure,
  rooflinePoints,
  SMOLLM2_135M,
  sweepDesigns,
} from "@stepdown/npu-model";
import { describe, expect, it } from "vitest";
import { figureSpecification } from "./figure-chart.js";
import { type ChartSpecification, renderChart } from "./render-chart.js";
import { rooflineSpecification } from "./roofline-chart.js";
import { sweepSpecification } from "./sweep-chart.js";

/** Draws, and fails on anything the libraries complain about. */
async function draw(specification: ChartSpecification): Promise<string> {
  const warnings: string[] = [];
  const svg = await renderChart(specification, (message) => warnings.push(message));
  expect(warnings).toEqual([]);
  expect(svg).toMatch(/^<svg /);
  // An empty or impossible coordinate is how a chart without data, or with a zero on a logarithmic axis, shows.
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  return svg;
}

/** Everything that is written in a picture. */
const textsOf = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text);

describe("pictures", () => {
  it("of the published figure have both bars of all groups with their speed-ups", async () => {
    const bars = paperFigure();
    const svg = await draw(figureSpecification(bars, PAPER_PROFILE.name));
    const texts = textsOf(svg);
    for (const bar of bars.filter(({ scheme }) => scheme !== "fp16")) {
      expect(texts).toContain(bar.publishedSpeedup!.toFixed(1));
      expect(texts).toContain(`${bar.speedup.toFixed(2)}${bar.bitsSource === "backed-out" ? "*" : ""}`);
    }
    expect(svg.match(/aria-roledescription="bar"/g)).toHaveLength(2 * bars.length);
    expect(texts).toEqual(expect.arrayContaining(["published", "this model", "tokens/s"]));
  });

  it("of a roofline have the roof, every operator that multiplies, legends and units", async () => {
    const passes = (["decode", "prefill"] as const).flatMap((phase) =>
      [2, 16].map((bits) => ({
        phase,
        bits,
        roofline: rooflinePoints({
          hardware: NPU_S,
          model: SMOLLM2_135M,
          precision: bits,
          phase,
          tokens: phase === "decode" ? 1 : 64,
          contextTokens: phase === "decode" ? 100 : 0,
        }),
      })),
    );
    const texts = textsOf(await draw(rooflineSpecification(passes, ["subtitle"])));
    expect(texts).toEqual(
      expect.arrayContaining(["2", "16", "none", "attention", "head", "linear layer", "MACs per byte moved", "GMAC/s"]),
    );
  });

  it("of a machine without a compute limit have a roof that only rises", async () => {
    const hardware = createHardware({
      name: "fitted",
      compute: { kind: "bit-serial", planeWeightsPerSecond: 1e10, denseMacsPerSecond: Number.POSITIVE_INFINITY },
      bandwidthBytesPerSecond: 5e9,
    });
    const roofline = rooflinePoints({ hardware, model: SMOLLM2_135M, precision: 3, contextTokens: 10 });
    expect(roofline.ridgeMacsPerByte).toBe(Number.POSITIVE_INFINITY);
    await draw(rooflineSpecification([{ phase: "decode", bits: 3, roofline }], []));
  });

  it("of a sweep have a panel per precision, all machines and both break-even lines", async () => {
    const space = sweepDesigns({
      hardware: NPU_S,
      model: SMOLLM2_135M,
      workload: { promptTokens: 32, newTokens: 8 },
      bandwidthsBytesPerSecond: [8e9, 64e9],
      macsPerCycle: [16, 4096],
      bits: [2, 4],
    });
    const svg = await draw(sweepSpecification(space, ["subtitle"]));
    expect(textsOf(svg)).toEqual(
      expect.arrayContaining([
        "2 bits",
        "4 bits",
        "bandwidth, GB/s",
        "MACs per cycle",
        "tokens/s",
        "decode",
        "prefill",
      ]),
    );
    expect(svg.match(/aria-roledescription="point"/g)).toHaveLength(space.points.length);
    expect(svg.match(/aria-roledescription="line mark"/g)).toHaveLength(4);
  });
});
