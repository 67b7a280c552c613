import type { Checkpoint, WaitOptions } from "@stepdown/core";
import type { TextAssetFile } from "./text-assets.js";

/** A checkpoint opened by this package: core's contract plus the raw files that a writer copies. */
export interface OpenedCheckpoint extends Checkpoint {
  /** Tokenizer, template and generation files byte for byte, for `writeNestedModel`. */
  readTextAssetFiles(options?: WaitOptions): Promise<readonly TextAssetFile[]>;
}
