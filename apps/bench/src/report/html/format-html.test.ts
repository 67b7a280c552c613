import { describe, expect, it } from "vitest";
import type { ResultDocument, ResultRow } from "../result-document.js";
import { bitsChart, timeChart } from "./charts.js";
import { formatHtml } from "./format-html.js";

const row = (changes: Partial<ResultRow>): ResultRow => ({
  ...{ suite: "decode", case: "<tiny> shape, context 3", engine: "wasm", codec: "bcq", bits: 2, threads: 1 },
  ...{ model: null, shape: "tiny", context: 3, groupSize: 96 },
  ...{ medianMilliseconds: 2, lowerQuartile: 1.9, upperQuartile: 2.1, processorMilliseconds: 2, repetitions: 5 },
  ...{ runsPerRepetition: 1, disturbedShare: 0, reliable: true, bytes: 1e6, gigabytesPerSecond: 0.5 },
  ...{ work: 1, workUnit: "tokens", workPerSecond: 500, baseline: "wasm/bcq-4" },
  ...{ speedup: 1.5, speedupLow: 1.4, speedupHigh: 1.6, samples: [1.9, 2, 2, 2.1, 2] },
  ...changes,
});
const rows = [
  row({}),
  row({ bits: 4, medianMilliseconds: 3, samples: [3, 3, 3, 3.1, 2.9], reliable: false }),
  row({ engine: "node-llama-cpp", codec: "Q4_0", bits: 4, medianMilliseconds: 6, samples: [6, 6, 6.2, 5.8, 6] }),
];
const result: ResultDocument = {
  specificationVersion: "v1",
  machine: {
    ...{ cpu: "A & B", cores: 2, memoryBytes: 8e9, lastLevelCacheBytes: null, platform: "linux", node: "v22.0.0" },
    ...{ startedAt: "2026-01-02T03:04:05.000Z", loadAverageBefore: 0, loadAverageAfter: 0, foreignCores: 0.5 },
    engines: [{ name: "wasm", kernels: "wasm-simd", threads: 1, notes: [] }],
  },
  notes: ["wllama: left out; </script> is not installed"],
  rows,
};

describe("the HTML report", () => {
  it("holds the whole document, the tables, the ratios and the notes, and nothing from elsewhere", async () => {
    const page = await formatHtml(result);
    const held = /<script type="application\/json" id="document">(.*?)<\/script>/s.exec(page)?.[1];
    expect(JSON.parse(held as string)).toEqual(result);
    expect(page).toContain("decode: &lt;tiny&gt; shape, context 3");
    expect(page).toContain("A &amp; B");
    expect(page).toContain("&lt;/script&gt; is not installed");
    expect(page).toContain("Too few quiet repetitions");
    // 6 ms beside 2 ms and 3 ms.
    expect(page).toMatch(/<td>wasm\/bcq-2<\/td><td class="faster">3\.00×/);
    expect(page).toMatch(/<td>wasm\/bcq-4<\/td><td class="faster">2\.00×/);
    const outside = page.replaceAll(/<script.*?<\/script>/gs, "");
    expect(outside.match(/(?:src|href)="https?:/)).toBeNull();
  });

  it("has a drawn chart with its specification beside it, and a runtime to draw it again", async () => {
    const page = await formatHtml(result);
    const charts = [...page.matchAll(/<div data-chart="([\w-]+)"><svg/g)].map(([, id]) => id);
    expect(charts).toEqual(["chart-0-0", "chart-0-1"]);
    for (const id of charts) {
      const text = new RegExp(`id="${id}">(.*?)</script>`, "s").exec(page)?.[1];
      const { vegaLite, vega } = JSON.parse(text as string);
      expect(vegaLite.data.values).toHaveLength(rows.length);
      expect(vega.$schema).toContain("/vega/");
    }
    expect(page.length).toBeGreaterThan(400_000);
  });

  it("draws time against bits only where bits differ", () => {
    expect(bitsChart(rows.slice(0, 1))).toBeUndefined();
    expect(bitsChart(rows)).toBeDefined();
    expect(timeChart(rows)).toMatchObject({ data: { values: [{ variant: "wasm/bcq-2", milliseconds: 2 }, {}, {}] } });
  });
});
