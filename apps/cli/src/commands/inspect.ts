import { freemem } from "node:os";
import type { Checkpoint } from "@stepdown/core";
import { openCheckpoint } from "@stepdown/model-format";
import { describeCheckpoint } from "@stepdown/runtime";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { withExamples } from "../options/examples.js";
import { formatTable } from "../output/table.js";
import { formatBytes, formatCount } from "../output/units.js";

/** `stepdown inspect`: what a model is and what each precision costs. */
export function addInspectCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("inspect")
    .description("Show architecture, shapes, codec, and bits and bytes per precision of a model.")
    .argument("<path>", "nested model directory, float checkpoint directory or GGUF file")
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown inspect my-model", "a nested model: one row per precision"],
    ["stepdown inspect model.gguf --json", "a float checkpoint, for programs"],
  ]);
  command.action(async (path: string, options: { json?: boolean }) => {
    await using checkpoint = await openCheckpoint(path, { verify: "never", signal: context.signal });
    const { description, cost, loadedBytes } = describeCheckpoint(checkpoint);
    const available = freemem();
    const precisions = checkpoint.precisions.map((bits) => {
      const { effectiveBits, bytes } = cost(bits);
      const memory = loadedBytes(bits);
      return {
        bits: checkpoint.kind === "float" ? ("float" as const) : bits,
        effectiveBits,
        bytes,
        memoryBytes: memory,
        fitsInMemory: memory <= available,
      };
    });
    const { architecture, codec, parameters, nestedWeights, ...shapes } = description;
    const outliers = countOutliers(checkpoint);
    if (options.json) {
      context.print(
        `${JSON.stringify({ path, kind: checkpoint.kind, architecture, shapes, codec, parameters, nestedWeights, outliers, availableMemoryBytes: available, precisions })}\n`,
      );
      return;
    }
    const facts: [string, string][] = [
      ["architecture", architecture],
      ["codec", checkpoint.kind === "float" ? "float (not quantized)" : codec],
      ...(outliers === 0 ? [] : [["outliers", describeOutliers(outliers, nestedWeights)] as [string, string]]),
      ["parameters", `${formatCount(parameters)} (${formatCount(nestedWeights)} in the blocks' linear layers)`],
      ["blocks", `${shapes.blocks} × hidden ${shapes.hiddenSize}, intermediate ${shapes.intermediateSize}`],
      [
        "attention",
        `${shapes.heads} heads, ${shapes.keyValueHeads} key-value heads, dimension ${shapes.headDimension}`,
      ],
      ["vocabulary", shapes.vocabularySize.toLocaleString("en")],
      ["context", `${shapes.contextLength.toLocaleString("en")} tokens`],
    ];
    context.print(`${facts.map(([name, value]) => `${name.padEnd(13)} ${value}`).join("\n")}\n\n`);
    context.print(
      `${formatTable(
        ["bits", "bits per weight", "read per token", "memory", `fits (${formatBytes(available)} free)`],
        precisions.map((row) => [
          String(row.bits),
          row.effectiveBits.toFixed(2),
          formatBytes(row.bytes),
          formatBytes(row.memoryBytes),
          row.fitsInMemory ? "yes" : "no",
        ]),
      )}\n`,
    );
  });
}

/** Weights kept apart from the tables, by the tensors that hold them. */
function countOutliers({ kind, tensors }: Checkpoint): number {
  if (kind === "float") return 0;
  let count = 0;
  for (const [name, { shape }] of tensors) if (name.endsWith(".outlier_values")) count += shape[0] ?? 0;
  return count;
}

function describeOutliers(count: number, weights: number): string {
  return `${formatCount(count)} weights kept apart in half precision (${((100 * count) / weights).toFixed(2)} %)`;
}
