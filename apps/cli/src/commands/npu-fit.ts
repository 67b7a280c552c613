import { type Precision, UnsupportedError } from "@stepdown/core";
import { type FittedRate, type HeadBits, MEASURED_PROFILE, type ModelShape } from "@stepdown/npu-model";
import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.js";
import { addStorageOptions } from "../npu/cost-options.js";
import { findModel } from "../npu/find-model.js";
import { formatHardwareDocument } from "../npu/hardware-document.js";
import { type ComparedFit, type FitErrors, fitRows } from "../npu/measured-fit.js";
import { chooseRows, type MeasuredStep, type MeasuredTime, readMeasurements } from "../npu/measurement-documents.js";
import { lastPart } from "../npu/nearest-name.js";
import { precisionList } from "../npu/pass-options.js";
import { readJsonObject } from "../npu/read-json-file.js";
import { formatError, formatSi } from "../npu/si-units.js";
import { writeOutput } from "../npu/write-output.js";
import { withExamples } from "../options/examples.js";
import { integer, number } from "../options/parse.js";
import { formatTable } from "../output/table.js";

interface FitCommandOptions {
  readonly engine?: string;
  readonly threads?: number;
  readonly codec?: string;
  readonly groupSize?: number;
  readonly scaleBits?: 8 | 16;
  readonly headBits?: HeadBits;
  readonly cacheBits?: number;
  readonly model?: string;
  readonly holdOut?: readonly Precision[] | "none";
  readonly time: MeasuredTime;
  readonly maximumError?: number;
  readonly name?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** `stepdown npu fit`: a machine description from measured decode steps. */
export function addNpuFitCommand(npu: Command, context: CommandContext): void {
  const command = npu
    .command("fit")
    .description("Describe a measured machine, from what stepdown-bench decode --json printed.")
    .argument("<measurements...>", "JSON documents of one machine");
  addStorageOptions(command)
    .option(
      "--hold-out <bits>",
      "predict these bits instead of fitting them, or none (default: every second)",
      heldOutBits,
    )
    .option("--engine <name>", "rows of this engine, where there are several")
    .option("--threads <n>", "rows with so many threads, where there are several", integer(1))
    .option("--model <name>", "shape of rows whose model is not known by its name")
    .addOption(
      new Option("--time <time>", "wall, or the processor's per thread, which other programs disturb less")
        .choices(["wall", "processor"])
        .default("wall"),
    )
    .option("--maximum-error <percent>", "largest deviation of a fitted row (default: 35)", number(1, 1000))
    .option("--name <name>", "name of the description")
    .option("--out <file>", "write the description, for --hardware")
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown npu fit small.json large.json --out this-machine.json", "fit, and predict every second precision"],
    ["stepdown npu fit bench.json --hold-out 3,6 --engine wasm", "choose what is predicted"],
    ["stepdown npu --model phi-1_5 --hardware this-machine.json --schedule 4,3@85", "use the description"],
  ]);
  command.action(async (paths: readonly string[], options: FitCommandOptions) => {
    const { machine, rows: all } = await readAll(paths, options, context);
    const rows = chooseRows(all, options);
    const { engine, threads } = rows[0]!;
    const name = options.name ?? `${machine}, ${engine}, ${threads === 1 ? "1 thread" : `${threads} threads`}`;
    const compared = fitRows(rows, { ...options, name });
    const { fit, storage, summary, notes } = compared;
    if (options.out !== undefined) {
      const found = { hardware: fit.hardware, profile: MEASURED_PROFILE, codec: fit.codec };
      await writeOutput(options.out, formatHardwareDocument(found, { fit: summary }));
      context.tell(`wrote ${options.out}\n`);
    }
    if (options.json) {
      const { codec, headBits, keyValueBits: cacheBits } = storage;
      const documents = compared.rows.map(({ model, ...row }) => ({ ...row, model: model.name }));
      context.print(`${JSON.stringify({ name, codec, headBits, cacheBits, ...summary, notes, rows: documents })}\n`);
      return;
    }
    context.print(`${formatFit(compared)}\n`);
    if (rows.length < all.length)
      context.tell(`note: ${all.length - rows.length} of ${all.length} rows are of another engine or codec\n`);
    for (const note of notes) context.tell(`note: ${note}\n`);
  });
}

async function readAll(
  paths: readonly string[],
  options: FitCommandOptions,
  context: CommandContext,
): Promise<{ machine: string; rows: readonly MeasuredStep[] }> {
  const shapes = new Map<string, ModelShape>();
  const rows: MeasuredStep[] = [];
  const machines = new Set<string>();
  for (const path of paths) {
    const document = readMeasurements(await readJsonObject(path), path, options.time);
    machines.add(document.machine);
    for (const { modelName, ...row } of document.rows) {
      const model = shapes.get(modelName) ?? (await findShape(modelName, options.model, context.signal));
      shapes.set(modelName, model);
      rows.push({ ...row, model });
    }
  }
  if (machines.size > 1)
    throw new UnsupportedError(
      `The documents are of different machines: ${[...machines].join("; ")}. Fit one at a time.`,
    );
  return { machine: [...machines][0]!, rows };
}

async function findShape(name: string, override: string | undefined, signal: AbortSignal): Promise<ModelShape> {
  if (override !== undefined) return (await findModel(override, signal)).shape;
  try {
    return (await findModel(name, signal)).shape;
  } catch (cause) {
    throw new UnsupportedError(
      `The rows are of "${name}", whose shape is not known here: ${(cause as Error).message} Name its shape with --model.`,
      { cause },
    );
  }
}

function formatFit({ fit, storage, rows, summary }: ComparedFit): string {
  const head = storage.headBits === "body" ? "head as the body" : `head of ${storage.headBits} bits`;
  const { fittedErrors, heldOutErrors, heldOutBits: held } = summary;
  const errors = (found: FitErrors | null): string =>
    found === null
      ? "none"
      : `root mean square ${(found.rootMeanSquare * 100).toFixed(1)} %, largest ${(found.largest * 100).toFixed(1)} %`;
  return [
    `${fit.hardware.name}: ${fit.codec.codec} codes, ${head}, cache of ${storage.keyValueBits} bits`,
    [
      `bandwidth  ${formatRateOf(fit.bandwidth, "B/s")}`,
      `look-ups   ${formatRateOf(fit.lookUps, "plane weights/s")}`,
      ...(fit.attention.evidence === "none" ? [] : [`attention  ${formatRateOf(fit.attention, "MAC/s")}`]),
      `overhead   ${formatSi(fit.overheadSeconds, "s")} per step`,
    ].join("\n"),
    formatTable(
      ["model and context", "bits", "measured", "predicted", "error", ""],
      rows.map((row) => [
        `${lastPart(row.model.name)}, ${row.contextTokens}`,
        String(row.bits),
        formatSi(row.milliseconds / 1e3, "s"),
        formatSi(row.predictedMilliseconds / 1e3, "s"),
        formatError(row.relativeError),
        row.heldOut ? "held out" : "fitted",
      ]),
    ),
    `errors of fitted rows: ${errors(fittedErrors)}\nerrors of held-out rows${held.length === 0 ? "" : ` (${held.join(", ")} bits)`}: ${errors(heldOutErrors)}`,
  ].join("\n\n");
}

function formatRateOf({ perSecond, evidence }: FittedRate, unit: string): string {
  if (evidence === "none") return "unknown, nothing used it";
  return `${evidence === "at-least" ? "at least " : ""}${formatSi(perSecond, unit)}`;
}

function heldOutBits(text: string): readonly Precision[] | "none" {
  return text === "none" ? "none" : precisionList(text);
}
