/** Whole models in other people's engines: the same shape with random weights in GGUF's types, or the same GGUF file. */
import { ensureSyntheticGguf, type GgufFileType, ggufFileTypes } from "../gguf/synthetic-gguf.js";
import type { ChosenModel } from "../options/model-source.js";
import type { PeerModelOptions } from "../options/peers.js";
import type { ThreadsOptions } from "../options/threads.js";
import type { Peers } from "../peers/start-peers.js";
import type { Session, SuiteVariant } from "../session.js";
import { tokenIds } from "./model-runners.js";

/** The type that a precision of ours is compared with. */
const typeForBits: Readonly<Record<number, GgufFileType>> = { 2: "Q2_K", 3: "Q3_K", 4: "Q4_0", 8: "Q8_0" };
/** Weights that share scales. */
const groupSizes: Readonly<Partial<Record<GgufFileType, number>>> = { Q8_0: 32, Q4_0: 32, Q3_K: 16, Q2_K: 16 };
/** Sequences have room for a little more than is used: peers keep some positions for themselves. */
const SPARE_POSITIONS = 32;

/** What is measured. */
export interface PeerWork {
  /** Tokens before each run, and tokens of one run. */
  readonly context: number;
  readonly tokens: number;
}

/** Variants of all peers; empty where none is installed. */
export async function peerVariants(
  model: ChosenModel,
  peers: Peers,
  { context, tokens }: PeerWork,
  options: PeerModelOptions & ThreadsOptions,
  session: Session,
): Promise<SuiteVariant[]> {
  const variants: SuiteVariant[] = [];
  if (peers.list.length === 0) return variants;
  for (const file of await filesFor(model, options, session)) {
    for (const peer of peers.list) {
      for (const threads of options.threads) {
        const vocabulary = file.vocabularySize;
        session.note(`${peer.name}: loading ${file.codec}, ${threads} thread${threads === 1 ? "" : "s"}`);
        const opened = await peer.open(
          {
            kind: "model",
            path: file.path,
            threads,
            capacity: context + tokens + SPARE_POSITIONS,
            context: tokenIds(context, vocabulary),
            tokens: tokenIds(tokens, vocabulary),
          },
          file.codec,
        );
        if (opened === undefined) continue;
        variants.push({
          engine: peer.name,
          threads,
          codec: file.codec,
          bits: file.bits,
          ...(file.groupSize === undefined ? {} : { groupSize: file.groupSize }),
          ...(tokens > 1 || file.weightBytes === undefined ? {} : { bytes: file.weightBytes }),
          work: tokens,
          workUnit: "tokens",
          busy: peer.busy(threads),
          runRemotely: opened.run,
        });
      }
    }
  }
  return variants;
}

interface PeerFile {
  readonly path: string;
  readonly codec: string;
  readonly bits: number;
  readonly vocabularySize: number;
  readonly weightBytes?: number;
  readonly groupSize?: number;
}

/** Vocabulary that token ids are taken from where the file's own is not looked at: any model has so many. */
const SMALL_VOCABULARY = 256;

async function filesFor(model: ChosenModel, options: PeerModelOptions, session: Session): Promise<PeerFile[]> {
  if (model.kind === "files") {
    if (model.path.endsWith(".gguf")) {
      return [{ path: model.path, codec: "GGUF", bits: 0, vocabularySize: SMALL_VOCABULARY }];
    }
    session.remark("peers: left out; they read GGUF files. Give a --shape, or a --model that ends in .gguf");
    return [];
  }
  const types = options.peerTypes ?? defaultTypes(model.bits, model.codecs.includes("f16"));
  const files: PeerFile[] = [];
  for (const type of types) {
    const { config, name } = model;
    const { path, weightBytes } = await ensureSyntheticGguf(
      { config, name, type, seed: session.options.seed },
      options.cacheDirectory,
      (made, bytes) => session.note(`writing ${(bytes / 1e6).toFixed(0)} MB of random ${type} weights to ${made}`),
      session.signal,
    );
    const groupSize = groupSizes[type];
    files.push({
      path,
      codec: type,
      bits: ggufFileTypes[type],
      vocabularySize: Number(config.vocab_size),
      weightBytes,
      ...(groupSize === undefined ? {} : { groupSize }),
    });
  }
  return files;
}

function defaultTypes(bits: readonly number[], withHalves: boolean): GgufFileType[] {
  const types = bits.map((precision) => typeForBits[precision]).filter((type) => type !== undefined);
  const chosen: GgufFileType[] = types.length > 0 ? types : ["Q4_0"];
  return withHalves ? ["F16", ...chosen] : chosen;
}
