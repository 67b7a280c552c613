/** Rooflines: the roof of the machine, and every operator at its intensity and the speed it reaches; a panel per phase. */
import type { Roofline } from "@stepdown/npu-model";
import { bitScale, chart } from "./chart-style.js";
import type { ChartSpecification } from "./render-chart.js";

/** One forward pass to be drawn. */
export interface DrawnPass {
  readonly phase: "decode" | "prefill";
  readonly bits: number;
  readonly roofline: Roofline;
}

interface DrawnPoint {
  readonly operator: string;
  readonly kind: (typeof KINDS)[number];
  /** Area of the symbol, square pixels. */
  readonly size: number;
  /** Of its own weights; the head's differ from the blocks'. */
  readonly bits: string;
  readonly macsPerByte: number;
  readonly gigaMacsPerSecond: number;
  readonly limit: string;
}

const PANEL = { width: 420, height: 320 } as const;

/** Room beside the outermost points and above the roof, factor on the logarithmic axes. */
const MARGIN = 2;

/** Colour name of attention, which multiplies cached values and no weights. */
const NO_WEIGHTS = "none";

/** The picture's specification. Operators without traffic, and machines without limits, have no place on it. */
export function rooflineSpecification(passes: readonly DrawnPass[], subtitle: readonly string[]): ChartSpecification {
  const phases = [...new Set(passes.map((pass) => pass.phase))];
  const drawn = phases.map((phase) => {
    const own = passes.filter((pass) => pass.phase === phase);
    return { phase, roof: own[0]!.roofline, points: pointsOf(own) };
  });
  const points = drawn.flatMap((panel) => panel.points);
  const ridges = drawn.map(({ roof }) => roof.ridgeMacsPerByte).filter(Number.isFinite);
  const across = around([...points.map((point) => point.macsPerByte), ...ridges]);
  const roofs = drawn.map(({ roof }) => roofLine(roof, across));
  const upwards = around([...points, ...roofs.flat()].map((point) => point.gigaMacsPerSecond));
  const place = {
    x: logarithmic("macsPerByte", "MACs per byte moved", across),
    y: logarithmic("gigaMacsPerSecond", "GMAC/s", upwards),
  };
  const color = colorOf(points);
  return chart("Roofline: operators under the limits of memory and compute", subtitle, {
    spacing: 24,
    hconcat: drawn.map(({ phase, points: values }, index) => ({
      title: { text: phase, fontSize: 12, anchor: "start", offset: 4 },
      ...PANEL,
      encoding: place,
      layer: [
        { data: { values: roofs[index] }, mark: { type: "line", color: "#444444", strokeWidth: 2 } },
        {
          data: { values },
          mark: { type: "point", filled: true, opacity: 1, stroke: "#222222", strokeWidth: 0.8 },
          encoding: { color, shape: SHAPE, size: SIZE },
        },
      ],
    })),
  });
}

const SHAPE = {
  field: "kind",
  type: "nominal",
  title: "operator",
  scale: { domain: ["linear layer", "head", "attention"], range: ["circle", "square", "triangle-up"] },
  legend: { symbolFillColor: "#888888", symbolStrokeColor: "#222222", symbolSize: 110 },
} as const;

/** Operators of equal intensity lie on each other; the smaller are drawn later. */
const KINDS = ["linear layer", "head", "attention"] as const;
const SIZES = { "linear layer": 260, head: 120, attention: 70 } as const;
/** Its own field, because a legend of sizes would displace that of shapes. */
const SIZE = { field: "size", type: "quantitative", scale: null, legend: null } as const;

/** Equal points, such as the head beside every precision of the blocks, are drawn once. */
function pointsOf(passes: readonly DrawnPass[]): DrawnPoint[] {
  const points = passes.flatMap(({ roofline }) =>
    roofline.points
      .filter((point) => Number.isFinite(point.macsPerByte) && Number.isFinite(point.macsPerSecond))
      .map(
        (point): DrawnPoint => ({
          operator: point.name,
          kind: kindOf(point.name),
          size: SIZES[kindOf(point.name)],
          bits: point.bits === undefined ? NO_WEIGHTS : String(point.bits),
          macsPerByte: point.macsPerByte,
          gigaMacsPerSecond: point.macsPerSecond / 1e9,
          limit: point.limit,
        }),
      ),
  );
  const distinct = [...new Map(points.map((point) => [JSON.stringify(point), point])).values()];
  return distinct.sort((one, other) => KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind));
}

/** `min(peak, intensity · bandwidth)` from end to end, with the ridge between. */
function roofLine(
  { peakMacsPerSecond, bandwidthBytesPerSecond, ridgeMacsPerByte }: Roofline,
  [from, to]: readonly [number, number],
): { macsPerByte: number; gigaMacsPerSecond: number }[] {
  const inside = Number.isFinite(ridgeMacsPerByte) && ridgeMacsPerByte > from && ridgeMacsPerByte < to;
  return [from, ...(inside ? [ridgeMacsPerByte] : []), to]
    .map((macsPerByte) => ({
      macsPerByte,
      gigaMacsPerSecond: Math.min(peakMacsPerSecond, macsPerByte * bandwidthBytesPerSecond) / 1e9,
    }))
    .filter((point) => Number.isFinite(point.gigaMacsPerSecond));
}

function logarithmic(field: string, title: string, domain: readonly [number, number]): object {
  return {
    field,
    type: "quantitative",
    title,
    scale: { type: "log", domain, nice: false },
    axis: { format: "~s", tickCount: 6 },
  };
}

function around(values: readonly number[]): [number, number] {
  return [Math.min(...values) / MARGIN, Math.max(...values) * MARGIN];
}

function colorOf(points: readonly DrawnPoint[]): object {
  const bits = points.filter((point) => point.bits !== NO_WEIGHTS).map((point) => Number(point.bits));
  const { domain, range } = bitScale(bits);
  return {
    field: "bits",
    type: "nominal",
    title: "bits per weight",
    scale: { domain: [...domain.map(String), NO_WEIGHTS], range: [...range, "#bbbbbb"] },
    legend: { symbolType: "circle", symbolSize: 110 },
  };
}

function kindOf(name: string): DrawnPoint["kind"] {
  if (name === "head" || name === "attention") return name;
  return "linear layer";
}
