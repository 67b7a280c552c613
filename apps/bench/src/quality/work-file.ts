/**
 * The work file: one JSON line per scored chunk and variant, appended as soon as it is known, so that a run that was
 * stopped goes on where it was. Lines that are no records (a last line cut off in the middle) are passed over.
 */
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { OutputFailedError } from "@stepdown/core";
import { type ChunkScores, decodeScores, encodeScores, type ScoreRecord } from "./chunk-scores.js";

/** Scores by key. */
export interface WorkFile {
  get(key: string): ChunkScores | undefined;
  /** Keeps scores, in the file if there is one. */
  put(key: string, about: string, scores: ChunkScores): Promise<void>;
}

/** Opens a work file, which need not exist yet; without a path, scores are kept in memory only. */
export async function openWorkFile(path?: string): Promise<WorkFile> {
  const known = new Map<string, ScoreRecord>();
  let needsLineBreak = false;
  if (path !== undefined) {
    const text = await readIfThere(path);
    needsLineBreak = text !== "" && !text.endsWith("\n");
    for (const line of text.split("\n")) {
      const record = parseRecord(line);
      if (record !== undefined) known.set(record.key, record);
    }
  }
  return {
    get(key) {
      const record = known.get(key);
      return record === undefined ? undefined : decodeScores(record);
    },
    async put(key, about, scores) {
      const record = encodeScores(key, about, scores);
      known.set(key, record);
      if (path === undefined) return;
      try {
        await mkdir(dirname(path), { recursive: true });
        await appendFile(path, `${needsLineBreak ? "\n" : ""}${JSON.stringify(record)}\n`);
        needsLineBreak = false;
      } catch (cause) {
        throw new OutputFailedError(`${path} cannot be written: ${(cause as Error).message}. Choose another --work.`, {
          cause,
        });
      }
    },
  };
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ENOENT") return "";
    throw new OutputFailedError(`${path} cannot be read: ${(cause as Error).message}. Choose another --work.`, {
      cause,
    });
  }
}

function parseRecord(line: string): ScoreRecord | undefined {
  if (line === "") return undefined;
  let value: Partial<ScoreRecord>;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { key, tokens, losses, milliseconds } = value;
  const whole = typeof key === "string" && Number.isInteger(tokens) && typeof losses === "string";
  return whole && typeof milliseconds === "number" ? (value as ScoreRecord) : undefined;
}
