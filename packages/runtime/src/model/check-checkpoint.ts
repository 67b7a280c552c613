import { type Checkpoint, InvalidFileError, MissingFileError } from "@stepdown/core";
import { type DecoderLayout, linearsOfBlock, normsOfBlock } from "./decoder-layout.js";

/** Missing tensors that a message lists; the first ones say what is wrong. */
const LISTED_NAMES = 4;

/** Checks, before any weight is read, that a checkpoint holds every tensor of a layout in its shape. */
export function checkCheckpoint(checkpoint: Checkpoint, layout: DecoderLayout): void {
  const expected = new Map<string, readonly number[]>();
  const outer = layout.head === layout.embedding ? [layout.embedding] : [layout.embedding, layout.head];
  for (const { name, rows, columns, bias } of [...outer, ...layout.blocks.flatMap((block) => linearsOfBlock(block))]) {
    expected.set(`${name}.weight`, [rows, columns]);
    if (bias) expected.set(`${name}.bias`, [rows]);
  }
  for (const { name, length, bias } of [layout.finalNorm, ...layout.blocks.flatMap((block) => normsOfBlock(block))]) {
    expected.set(`${name}.weight`, [length]);
    if (bias) expected.set(`${name}.bias`, [length]);
  }

  const missing = [...expected.keys()].filter((name) => !checkpoint.has(name));
  if (missing.length > 0) {
    const more = missing.length > LISTED_NAMES ? ` and ${missing.length - LISTED_NAMES} more` : "";
    throw new MissingFileError(
      `${checkpoint.location} lacks ${missing.slice(0, LISTED_NAMES).join(", ")}${more}. ` +
        "The configuration asks for them: check that all shards are there and that both belong together.",
    );
  }
  for (const [name, shape] of expected) {
    const found = storedShape(checkpoint, name);
    if (found !== undefined && (found.length !== shape.length || found.some((size, i) => size !== shape[i]))) {
      throw new InvalidFileError(
        `${checkpoint.location}: ${name} has shape [${found.join(", ")}]; the configuration asks for [${shape.join(", ")}].`,
      );
    }
  }
}

function storedShape(checkpoint: Checkpoint, name: string): readonly number[] | undefined {
  const nested = checkpoint.nestedLayers.get(name.replace(/\.weight$/, ""));
  if (nested !== undefined && name.endsWith(".weight")) return [nested.rows, nested.columns];
  return checkpoint.tensors.get(name)?.shape;
}
