import type { PairRow, QualityRow } from "./summarize.js";

/** Version of the document's form. */
export const QUALITY_DOCUMENT_VERSION = "v1";

/** The JSON document of the quality suite: facts of the run, then its rows. No dates, no paths, no machine. */
export interface QualityDocument {
  readonly specificationVersion: typeof QUALITY_DOCUMENT_VERSION;
  /** Folder or file name of the float model. */
  readonly floatModel: string;
  readonly tokensPerChunk: number;
  /** Whether embedding and head were the float model's or as the nested models store them. */
  readonly outerLayers: "float" | "stored";
  readonly texts: readonly { readonly name: string; readonly origin: string; readonly chunks: number }[];
  /** The command line, paths cut down to their last part. */
  readonly command: string;
  readonly rows: readonly QualityRow[];
  readonly pairs: readonly PairRow[];
}
