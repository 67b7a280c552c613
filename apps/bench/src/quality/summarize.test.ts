import { describe, expect, it } from "vitest";
import { type ChunkScores, decodeScores, encodeScores } from "./chunk-scores.js";
import { formatQuality, formatQualityPage } from "./format-quality.js";
import { type ChartSpecification, qualityChart } from "./quality-chart.js";
import { QUALITY_DOCUMENT_VERSION, type QualityDocument } from "./quality-document.js";
import { renderChart } from "./render-chart.js";
import { pairNeighbours, summarizeVariant } from "./summarize.js";
import type { Variant } from "./variants.js";

const float: Variant = { source: { kind: "float" }, method: "float", detail: "", effectiveBits: 32, blockBytes: 4e6 };
const nested = (method: string, precision: number, effectiveBits: number): Variant => {
  const source = { kind: "nested", location: method, precision } as const;
  return { source, method, detail: `${precision} bits`, effectiveBits, blockBytes: effectiveBits * 1e6 };
};

/** Two chunks of 50 tokens, `worse` nats above the float model's losses. */
function chunks(worse: number): ChunkScores[] {
  return [0, 1].map((chunk) => {
    const losses = Float32Array.from({ length: 50 }, (_, i) => 3 + chunk + Math.sin(i) + worse);
    const divergences = Float32Array.from({ length: 50 }, (_, i) => worse * (1 + 0.5 * Math.sin(i)));
    return {
      losses,
      divergences,
      sameTop: Uint8Array.from({ length: 50 }, (_, i) => (i % 5 > 0 ? 1 : 0)),
      milliseconds: 2,
    };
  });
}

const scored = [
  { variant: float, chunks: chunks(0).map(({ losses, milliseconds }) => ({ losses, milliseconds })) },
  { variant: nested("one", 4, 4.38), chunks: chunks(0.2) },
  { variant: nested("one", 5, 5.75), chunks: chunks(0.05) },
  { variant: nested("two", 4, 4.5), chunks: chunks(0.3) },
];

const example: QualityDocument = {
  specificationVersion: QUALITY_DOCUMENT_VERSION,
  floatModel: "original",
  tokensPerChunk: 51,
  outerLayers: "float",
  texts: [{ name: "wiki", origin: "wiki.txt", chunks: 2 }],
  command: "stepdown bench quality …",
  rows: scored.map((each) => summarizeVariant("wiki", each.variant, each.chunks, scored[0]!.chunks)),
  pairs: pairNeighbours("wiki", scored),
};

describe("summarizeVariant", () => {
  it("gives means over all tokens, with errors, and the loss beyond the float model's", () => {
    const [reference, four] = example.rows;
    expect(reference).toMatchObject({ variant: "float", bits: null, kl: null, lossIncrease: null, tokens: 100 });
    expect(four).toMatchObject({ variant: "one: 4 bits", bits: 4, effectiveBits: 4.38, blockBytes: 4.38e6 });
    expect(four!.lossIncrease!.mean).toBeCloseTo(0.2, 6);
    expect(four!.lossIncrease!.standardError).toBeLessThan(1e-6);
    expect(four!.loss.standardError).toBeGreaterThan(0.05);
    expect(four!.perplexity).toBeCloseTo(Math.exp(four!.loss.mean), 10);
    expect(four!.perplexityStandardError).toBeCloseTo(four!.perplexity * four!.loss.standardError!, 10);
    expect(four!.sameTop!.mean).toBeCloseTo(0.8, 10);
    expect(four!.chunkLosses[1]! - four!.chunkLosses[0]!).toBeCloseTo(1, 6);
  });
});

describe("pairNeighbours", () => {
  it("pairs variants of different methods with nearly the same bits, and sees what both find hard cancel", () => {
    expect(example.pairs).toHaveLength(1);
    const [pair] = example.pairs;
    expect(pair).toMatchObject({ one: "one: 4 bits", other: "two: 4 bits" });
    expect(pair!.bitsDifference).toBeCloseTo(-0.12, 10);
    expect(pair!.lossDifference.mean).toBeCloseTo(-0.1, 6);
    expect(pair!.lossDifference.standardError).toBeLessThan(1e-6);
    expect(pair!.klDifference.mean).toBeLessThan(0);
  });
});

describe("the formats of a document", () => {
  it("say the same rows in the terminal and on the page, and pairs on the page", () => {
    const page = formatQualityPage(example, { chart: "q/q.svg", json: "q/q.json" });
    const table = formatQuality(example);
    for (const { variant, perplexity } of example.rows) {
      for (const text of [page, table]) {
        expect(text).toContain(variant);
        expect(text).toContain(perplexity.toFixed(2));
      }
    }
    expect(page).toContain("| wiki | one: 4 bits | two: 4 bits | −0.12 | −0.1000000 ± ");
    expect(page).toContain("![Perplexity and KL divergence over effective bits](q/q.svg)");
  });

  it("make a picture without complaints, also where a divergence is 0 and has no place on the scale", async () => {
    const warnings: string[] = [];
    const exact = example.rows.map((row) => (row.bits === 5 ? { ...row, kl: { mean: 0, standardError: 0 } } : row));
    for (const rows of [example.rows, exact]) {
      const specification: ChartSpecification = qualityChart({ ...example, rows });
      const picture = await renderChart(specification, (message) => warnings.push(message));
      expect(picture).toMatch(/^<svg .*<\/svg>\s*$/s);
      expect(picture).not.toMatch(/NaN|Infinity/);
    }
    expect(warnings).toEqual([]);
  });
});

describe("scores in the work file", () => {
  it("come back as they were, and damaged ones are told", () => {
    const scores = chunks(0.125)[0]!;
    const record = encodeScores("key", "about", scores);
    expect(decodeScores(JSON.parse(JSON.stringify(record)))).toEqual(scores);
    expect(() => decodeScores({ ...record, tokens: 49 })).toThrow("The record key of the work file is damaged.");
  });
});
