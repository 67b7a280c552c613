/**
 * `quality`: perplexity and KL divergence of every precision, codec and GGUF type against the float model. Unlike the
 * other suites it measures no times, so it is a command of its own beside them, as `compare` is.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, extname, join } from "node:path";
import { InvalidArgumentError, OutputFailedError, type Tokenizer } from "@stepdown/core";
import { openCheckpoint, quantizableGgufTypes } from "@stepdown/model-format";
import { createTokenizer } from "@stepdown/tokenization";
import { type Command, Option } from "commander";
import type { BenchIo } from "../bench-io.js";
import { withExamples } from "../options/examples.js";
import { integer, list, oneOf } from "../options/parse.js";
import { evaluateQuality } from "../quality/evaluate-quality.js";
import { formatQuality, formatQualityPage } from "../quality/format-quality.js";
import { qualityChart } from "../quality/quality-chart.js";
import { QUALITY_DOCUMENT_VERSION, type QualityDocument } from "../quality/quality-document.js";
import { renderChart } from "../quality/render-chart.js";
import { parseTextOption, readTokenText, type TextOption } from "../quality/token-texts.js";
import type { OuterLayers } from "../quality/variant-checkpoint.js";
import { listVariants, type ModelOption, parseModelOption } from "../quality/variants.js";
import { openWorkFile } from "../quality/work-file.js";

interface QualityOptions {
  readonly float: string;
  readonly model?: readonly ModelOption[];
  readonly gguf: readonly string[];
  readonly text: readonly TextOption[];
  readonly tokensPerChunk: number;
  readonly chunks?: number;
  readonly outerLayers: OuterLayers;
  readonly threads?: number;
  readonly work?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** Adds the command. */
export function addQualityCommand(program: Command, io: BenchIo): void {
  const several = <T>(read: (text: string) => T) => {
    return (text: string, earlier: readonly T[] = []): readonly T[] => [...earlier, read(text)];
  };
  const command = program
    .command("quality")
    .description("Compare precisions, codecs and GGUF types with the float model: perplexity, KL divergence, same top.")
    .requiredOption("--float <path>", "the float checkpoint that all is compared with")
    .requiredOption(
      "--text <name=file>",
      "plain text, .jsonl#FROM-TO, or ids in .safetensors#TENSOR",
      several(parseTextOption),
    )
    .option("--model <dir>", "nested model: [NAME=]DIRECTORY[@3,4]; may be repeated", several(parseModelOption))
    .addOption(
      new Option("--gguf <list>", `round trips of the float model: ${quantizableGgufTypes.join(", ")}`)
        .argParser(list(oneOf(quantizableGgufTypes)))
        .default([], "none"),
    )
    .option("--tokens-per-chunk <n>", "tokens of a chunk", integer(2, 1 << 20), 2048)
    .option("--chunks <n>", "only the first n chunks of each text", integer(1, 1 << 20))
    .addOption(
      new Option("--outer-layers <which>", "embedding and head of nested models: the float model's, or as stored")
        .choices(["float", "stored"])
        .default("float"),
    )
    .option(
      "--threads <n>",
      "chunks scored at once, each with a model of its own (default: all cores)",
      integer(1, 256),
    )
    .option("--work <file>", "keeps scores, so that a stopped run goes on (default: beside --out)")
    .option("--out <page>", "write a Markdown page, and beside it a folder with picture and JSON document")
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["quality --float original --model nested --text wiki=wiki.txt --chunks 2", "a first look"],
    [
      "quality --float original --model nested@2,3,4 --gguf Q4_0,Q8_0 --text wiki=wiki.txt --out quality.md",
      "table and picture",
    ],
  ]);
  command.action(async (options: QualityOptions) => {
    const document = await runQuality(options, io);
    io.print(options.json ? `${JSON.stringify(document)}\n` : formatQuality(document));
  });
}

async function runQuality(options: QualityOptions, io: BenchIo): Promise<QualityDocument> {
  const { float, out, tokensPerChunk, outerLayers } = options;
  const names = options.text.map(({ name }) => name);
  if (new Set(names).size < names.length) {
    throw new InvalidArgumentError(`Two texts have one name (${names.join(", ")}). Give each --text its own.`);
  }
  io.signal.throwIfAborted();
  const note = (line: string): void => io.tell(`${line}\n`);
  const variants = await listVariants(float, options.model ?? [], options.gguf);
  const tokenizer = oncePromised(() => readTokenizer(float));
  const texts = [];
  for (const text of options.text) texts.push(await readTokenText(text, tokenizer));
  const work = await openWorkFile(options.work ?? (out === undefined ? undefined : `${out}.work.jsonl`));
  const threads = options.threads ?? availableParallelism();
  const common = { variants, texts, tokensPerChunk, outerLayers, threads, work, note, signal: io.signal };
  const result = await evaluateQuality({
    ...common,
    floatLocation: float,
    ...(options.chunks === undefined ? {} : { chunks: options.chunks }),
  });
  const document: QualityDocument = {
    specificationVersion: QUALITY_DOCUMENT_VERSION,
    floatModel: basename(float),
    ...{ tokensPerChunk, outerLayers },
    texts: texts.map(({ name, origin }) => {
      return { name, origin, chunks: result.rows.find(({ text }) => text === name)!.chunkLosses.length };
    }),
    command: describeCommand(options),
    ...result,
  };
  if (out !== undefined) note(`written: ${(await writePage(document, out, note)).join(", ")}`);
  return document;
}

async function readTokenizer(location: string): Promise<Tokenizer> {
  await using checkpoint = await openCheckpoint(location);
  return createTokenizer(await checkpoint.readTextAssets());
}

/** Page, picture and JSON document: `quality.md`, `quality/quality.svg`, `quality/quality.json`. */
async function writePage(document: QualityDocument, out: string, note: (line: string) => void): Promise<string[]> {
  const name = basename(out, extname(out));
  const folder = join(dirname(out), name);
  const relative = { chart: `${name}/${name}.svg`, json: `${name}/${name}.json` };
  const picture = await renderChart(qualityChart(document), (message) => note(`chart: ${message}`));
  const paths = [join(folder, `${name}.svg`), join(folder, `${name}.json`), out];
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(paths[0]!, `${picture}\n`);
    await writeFile(paths[1]!, `${JSON.stringify(document, null, 1)}\n`);
    await writeFile(out, formatQualityPage(document, relative));
  } catch (cause) {
    throw new OutputFailedError(`${out} cannot be written: ${(cause as Error).message}. Choose another --out.`, {
      cause,
    });
  }
  return paths;
}

/** The command that makes the same figures; paths are cut down to their last part, since others keep files elsewhere. */
function describeCommand(options: QualityOptions): string {
  const models = (options.model ?? []).map(({ name, location, precisions }) => {
    const bits = precisions === undefined ? "" : `@${precisions.join(",")}`;
    return `--model ${quote(`${name === undefined ? "" : `${name}=`}${basename(location)}${bits}`)}`;
  });
  const texts = options.text.map(({ name, path, part }) => {
    return `--text ${quote(`${name}=${basename(path)}${part === undefined ? "" : `#${part}`}`)}`;
  });
  return [
    `stepdown bench quality --float ${quote(basename(options.float))}`,
    ...models,
    ...(options.gguf.length === 0 ? [] : [`--gguf ${options.gguf.join(",")}`]),
    ...texts,
    `--tokens-per-chunk ${options.tokensPerChunk}`,
    ...(options.chunks === undefined ? [] : [`--chunks ${options.chunks}`]),
    ...(options.outerLayers === "float" ? [] : [`--outer-layers ${options.outerLayers}`]),
    ...(options.out === undefined ? [] : [`--out ${quote(basename(options.out))}`]),
  ].join(" \\\n  ");
}

function quote(word: string): string {
  return /^[\w@=.,/:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function oncePromised<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
