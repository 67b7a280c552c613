import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError, type PrecisionTrace } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { createMockLanguageModel } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { averageBits, meanAverageBits } from "./average-bits.js";
import { type PrecisionLog, referenceAverageBits } from "./reference-average-bits.js";

/** The golden folders' own tolerances. */
const SCHEDULER_TOLERANCE = 1e-9;
const METRIC_TOLERANCE = 1e-12;

function expectNear(actual: number | null | undefined, expected: number | null, tolerance: number): void {
  if (expected === null) expect(actual).toBeUndefined();
  else expect(Math.abs(actual! - expected)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(expected)));
}

type Run = [precision: number, length: number];

interface SchedulerGolden {
  reference: { questions: PrecisionLog[][]; perQuestion: number[]; average: number }[];
  published: {
    high: number;
    low: number;
    highSteps: number;
    tokens: number;
    log: PrecisionLog;
    referenceFormula: number;
  }[];
  own: {
    questions: { prefill: number; promptTokens: number; decode: Run[] }[];
    bytesPerForward: Record<string, number>;
    referenceFormula: number;
    decode: number;
    withPrompt: number;
    bytesRead: number;
  }[];
}

const schedulerPath = goldenPath("schedulers", "average-bits", "average-bits.json");
const schedulerGolden: SchedulerGolden | undefined = schedulerPath && JSON.parse(readFileSync(schedulerPath, "utf8"));

describe.skipIf(!schedulerGolden)(schedulerGolden ? "golden averages" : skipReason("golden averages"), () => {
  it("has cases of all kinds", () => {
    const { reference, published, own } = schedulerGolden!;
    expect(Math.min(reference.length, published.length, own.length)).toBeGreaterThan(0);
  });

  it("averages logs as the reference does", () => {
    for (const { questions, perQuestion, average } of schedulerGolden!.reference) {
      const found = referenceAverageBits(questions);
      expect(found.perQuestion).toHaveLength(perQuestion.length);
      perQuestion.forEach((expected, index) => {
        expectNear(found.perQuestion[index], expected, SCHEDULER_TOLERANCE);
      });
      expectNear(found.average, average, SCHEDULER_TOLERANCE);
    }
  });

  it("gives the published figures from logs and from traces of the reference's loop", () => {
    for (const { high, low, highSteps, tokens, log, referenceFormula } of schedulerGolden!.published) {
      expectNear(referenceAverageBits([[log]]).average, referenceFormula, SCHEDULER_TOLERANCE);
      const first = Math.max(1, highSteps);
      const decode = Array.from({ length: tokens }, (_, index) => (index < first ? high : low));
      expectNear(
        averageBits({ promptTokens: 9, prefill: high, decode }).reference,
        referenceFormula,
        SCHEDULER_TOLERANCE,
      );
    }
  });

  it("gives all four numbers of our own traces", () => {
    for (const golden of schedulerGolden!.own) {
      const cost = (decision: unknown) => ({ nestedBytes: golden.bytesPerForward[String(decision)]! });
      const traces = golden.questions.map(
        ({ decode, ...rest }): PrecisionTrace => ({
          ...rest,
          decode: decode.flatMap(([precision, length]) => new Array<number>(length).fill(precision)),
        }),
      );
      const each = traces.map((trace) => averageBits(trace, { cost, nestedWeights: 80e6 }));
      const found = meanAverageBits(each);
      expectNear(found.reference, golden.referenceFormula, SCHEDULER_TOLERANCE);
      expectNear(found.decode, golden.decode, SCHEDULER_TOLERANCE);
      expectNear(found.withPrompt, golden.withPrompt, SCHEDULER_TOLERANCE);
      expect(each.reduce((sum, { bytesRead }) => sum + bytesRead!, 0)).toBe(golden.bytesRead);
    }
  });
});

interface MetricAverages {
  reference: number | null;
  decode: number;
  with_prefill: number;
  bytes: Record<string, number>;
}

interface MetricGolden {
  weights: number;
  bytes_per_pass: Record<string, Record<string, number>>;
  files: { file: string; macro: MetricAverages; pooled: MetricAverages; per_question: MetricAverages[] }[];
}

interface AnswerLine {
  choices: {
    precision_log: PrecisionLog[];
    trace: { prompt_tokens: number; prefill: number; decode: number[] }[];
  }[];
}

const folder = goldenPath("metrics", "average-bits");
const listing = folder && readdirSync(folder).find((name) => name.endsWith(".json"));
const metricGolden: MetricGolden | undefined = listing && JSON.parse(readFileSync(join(folder!, listing), "utf8"));

describe.skipIf(!metricGolden)(metricGolden ? "golden answer files" : skipReason("golden answer files"), () => {
  it.each((metricGolden?.files ?? []).map((entry) => [entry.file, entry] as const))("averages %s", (_, entry) => {
    const { weights: nestedWeights, bytes_per_pass } = metricGolden!;
    const lines = readFileSync(join(folder!, entry.file), "utf8")
      .split("\n")
      .filter((line) => line !== "");
    const choices = lines.map((line) => (JSON.parse(line) as AnswerLine).choices[0]!);
    const questions = choices.map(({ trace }) =>
      trace.map(
        ({ prompt_tokens, prefill, decode }): PrecisionTrace => ({ promptTokens: prompt_tokens, prefill, decode }),
      ),
    );
    const logs = choices.map(({ precision_log }) => precision_log);
    expectNear(referenceAverageBits(logs).average, entry.macro.reference, METRIC_TOLERANCE);
    expectNear(referenceAverageBits([logs.flat()]).average, entry.pooled.reference, METRIC_TOLERANCE);
    for (const [table, bytes] of Object.entries(bytes_per_pass)) {
      const cost = (decision: unknown) => ({ nestedBytes: bytes[String(decision)]! });
      const each = questions.map((turns) => averageBits(turns, { cost, nestedWeights }));
      const found = [meanAverageBits(each), averageBits(questions.flat(), { cost, nestedWeights }), ...each];
      const expected = [entry.macro, entry.pooled, ...entry.per_question];
      expect(found).toHaveLength(expected.length);
      expected.forEach(({ decode, with_prefill, bytes: weighted }, index) => {
        expectNear(found[index]!.decode, decode, METRIC_TOLERANCE);
        expectNear(found[index]!.withPrompt, with_prefill, METRIC_TOLERANCE);
        expectNear(found[index]!.bytesWeighted, weighted[table]!, METRIC_TOLERANCE);
      });
    }
  });
});

describe("averageBits", () => {
  it("counts the mean over blocks of decisions per block", () => {
    const found = averageBits({ promptTokens: 2, prefill: [4, 2], decode: [[4, 4], [4, 3], 2] });
    expect(found.decode).toBeCloseTo((4 + 3.5 + 2) / 3, 12);
    expect(found.reference).toBeCloseTo((3.5 + 2) / 2, 12);
    expect(found.withPrompt).toBeCloseTo((3 + 3 + 4 + 3.5 + 2) / 5, 12);
  });

  it("takes bytes from a model's own costs", () => {
    const model = createMockLanguageModel({ answers: { kind: "script", tokens: [1] } });
    const { nestedWeights } = model.description;
    const cost = (decision: Parameters<typeof model.cost>[0]) => model.cost(decision);
    const found = averageBits({ promptTokens: 5, prefill: 8, decode: [4, [4, 2]] }, { cost, nestedWeights });
    expect(found.bytesWeighted).toBeCloseTo((8 + 4 + 3) / 3, 12);
  });

  it("leaves undefined what nothing was counted for", () => {
    expect(averageBits({ promptTokens: 3, prefill: 4, decode: [] })).toEqual({
      reference: undefined,
      decode: undefined,
      withPrompt: 4,
      bytesWeighted: undefined,
      bytesRead: undefined,
    });
    expect(averageBits([]).withPrompt).toBeUndefined();
    expect(averageBits({ promptTokens: 3, prefill: 4, decode: [3] }).reference).toBeUndefined();
    expect(meanAverageBits([]).decode).toBeUndefined();
  });

  it("refuses half of the byte options and logs that are none", () => {
    expect(() => averageBits([], { nestedWeights: 3 })).toThrow(InvalidArgumentError);
    expect(() => referenceAverageBits([[{ four: 1 }]])).toThrow(InvalidArgumentError);
    expect(() => referenceAverageBits([[{ "4": -1 }]])).toThrow(InvalidArgumentError);
  });
});
