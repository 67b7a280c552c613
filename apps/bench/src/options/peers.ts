/** Which other people's engines are measured beside ours, and where they are installed. */
import { type Command, Option } from "commander";
import { defaultCacheFolder, type GgufFileType, ggufFileTypes } from "../gguf/synthetic-gguf.js";
import { peerList } from "../peers/peer-list.js";
import { list, oneOf } from "./parse.js";

/** Values of {@link addPeerOptions}. */
export interface PeerOptions {
  readonly peers: readonly string[];
  readonly peersFrom: string;
}

/** Values of {@link addPeerModelOptions}. */
export interface PeerModelOptions extends PeerOptions {
  readonly peerTypes?: readonly GgufFileType[];
  readonly cacheDirectory: string;
}

/** Adds `--peers` and `--peers-from`. */
export function addPeerOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--peers <list>", `other engines, where installed: ${Object.keys(peerList).join(", ")}`)
        .argParser(list(oneOf(Object.keys(peerList))))
        .default([], "none"),
    )
    .option("--peers-from <directory>", "where they are installed", ".");
}

/** Adds those and what whole models need. */
export function addPeerModelOptions(command: Command): Command {
  const types = Object.keys(ggufFileTypes) as GgufFileType[];
  return addPeerOptions(command)
    .addOption(
      new Option(
        "--peer-types <list>",
        `GGUF types for peers: ${types.join(", ")} (default: those of --bits, F16 beside f16)`,
      ).argParser(list(oneOf(types))),
    )
    .option("--cache-directory <directory>", "where their files are kept", defaultCacheFolder());
}
