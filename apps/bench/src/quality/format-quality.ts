/** A quality document for people: a table for the terminal, a page of Markdown for the documentation. */
import { formatTable } from "../report/format-table.js";
import type { QualityDocument } from "./quality-document.js";
import type { MeanAndError, PairRow, QualityRow } from "./summarize.js";

/** Digits behind the point at most: below, scores kept as float32 are noise. */
const MAXIMUM_DIGITS = 7;

/** Bytes of a megabyte as the tables count it. */
const MEGABYTE = 1e6;

/** Plain text, one table per text. */
export function formatQuality(document: QualityDocument): string {
  return document.texts
    .map(({ name, origin, chunks }) => {
      const rows = document.rows.filter(({ text }) => text === name);
      const counted = `${chunks} chunks of ${document.tokensPerChunk} tokens`;
      return `${name} (${origin}; ${counted})\n${formatTable(header, rows.map(cells))}\n`;
    })
    .join("\n");
}

/** Markdown with the picture at `chartPath`, relative to the page. */
export function formatQualityPage(document: QualityDocument, paths: { chart: string; json: string }): string {
  const { texts, tokensPerChunk, outerLayers, floatModel, rows, pairs, command } = document;
  const sections = texts.map(({ name, origin, chunks }) => {
    const own = rows.filter(({ text }) => text === name);
    const about = `\`${origin}\`: ${chunks} chunks of ${tokensPerChunk} tokens, ${own[0]!.tokens.toLocaleString("en")} targets.`;
    return `## ${name}\n\n${about}\n\n${markdownTable(header, own.map(cells))}\n`;
  });
  const outer =
    outerLayers === "float"
      ? "Embedding and head are the float model's in every row, so that only the blocks' weights differ."
      : "Embedding and head are as the nested models store them; GGUF rows keep the float model's.";
  const neighbours =
    pairs.length === 0
      ? []
      : [
          `## Neighbours

Variants of different methods whose effective bits are less than 0.3 apart, compared token by token: what both find hard
cancels, so these differences are far more certain than the perplexities. Negative: the first is better.

${markdownTable(pairHeader, pairs.map(pairCells))}
`,
        ];
  return `<!-- Written by \`stepdown bench quality --out\`; change the program, not this page. -->

# Quality by bits

How much of the float model, \`${floatModel}\`, is left at every precision. _Bits_: planes, tables, scales and minimums of
the precision in use, per weight of the blocks' linear layers; _MB_: what one token's pass reads of them. _KL_: divergence
of the next token's distribution from the float model's, nats per token, mean and 99th percentile; _same top_: share of
positions where both find the same token most likely. ± is one standard error over tokens.

![Perplexity and KL divergence over effective bits](${paths.chart})

${[...sections, ...neighbours].join("\n")}
## How it was measured

Every variant is dequantized once to float32 and goes through the same runtime and the same float32 products as the float
model. Chunks are scored alone, from an empty sequence; perplexity is e to the mean loss. GGUF rows are round trips of
the float model's blocks through llama.cpp's reference rules, without an importance matrix; K types take rows of a
multiple of 256 weights, and where a layer's rows are not, the type that llama.cpp falls back to. A file that was quantized
already (a Q4_1 file, say) is "float" here as dequantized: everything is compared with the same numbers.
${outer}

\`\`\`sh
${command}
\`\`\`

All figures, the losses of every chunk among them: [${paths.json}](${paths.json}).
`;
}

const header: readonly string[] = ["variant", "bits", "MB", "perplexity", "loss − float", "KL", "KL 99 %", "same top"];

function cells(row: QualityRow): string[] {
  return [
    row.variant,
    row.effectiveBits.toFixed(2),
    (row.blockBytes / MEGABYTE).toFixed(1),
    perplexityCell(row),
    row.lossIncrease === null ? "–" : withError(row.lossIncrease),
    row.kl === null ? "–" : withError(row.kl),
    row.kl99 === null ? "–" : significant(row.kl99),
    row.sameTop === null ? "–" : percent(row.sameTop),
  ];
}

const pairHeader: readonly string[] = ["text", "first", "second", "bits, first − second", "loss", "KL"];

function pairCells({ text, one, other, bitsDifference, lossDifference, klDifference }: PairRow): string[] {
  const signed = `${bitsDifference > 0 ? "+" : bitsDifference < 0 ? "−" : ""}${Math.abs(bitsDifference).toFixed(2)}`;
  return [text, one, other, signed, withError(lossDifference), withError(klDifference)];
}

function perplexityCell({ perplexity, perplexityStandardError: error }: QualityRow): string {
  const digits = perplexity >= 1000 ? 0 : perplexity >= 100 ? 1 : 2;
  return error === null ? perplexity.toFixed(digits) : `${perplexity.toFixed(digits)} ± ${error.toFixed(digits)}`;
}

/** Two digits of the error, and the mean to the same place. */
function withError({ mean, standardError }: MeanAndError): string {
  const certain = standardError === null || standardError === 0;
  const digits = certain ? 4 : Math.min(MAXIMUM_DIGITS, Math.max(1, 1 - Math.floor(Math.log10(standardError))));
  const shown = mean < 0 ? `−${Math.abs(mean).toFixed(digits)}` : mean.toFixed(digits);
  return standardError === null ? shown : `${shown} ± ${standardError.toFixed(digits)}`;
}

function percent({ mean, standardError }: MeanAndError): string {
  const shown = (100 * mean).toFixed(1);
  return standardError === null ? `${shown} %` : `${shown} ± ${(100 * standardError).toFixed(1)} %`;
}

function significant(value: number): string {
  return value >= 1 ? value.toFixed(2) : value >= 0.01 ? value.toFixed(3) : value.toPrecision(2);
}

function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (values: readonly string[]): string => `| ${values.join(" | ")} |`;
  const rule = titles.map((_, column) => (column === 0 ? "---" : "--:"));
  return [line(titles), line(rule), ...rows.map(line)].join("\n");
}
