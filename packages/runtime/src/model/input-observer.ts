import type { FloatBuffer } from "@stepdown/core";

/** A linear layer about to run. */
export interface ObservedLayer {
  /** Without `.weight`. */
  readonly name: string;
  readonly weight: { readonly rows: number; readonly columns: number };
}

/**
 * Sees the input of linear layers during a forward pass, before they run: `input` is `[tokens][columns]`, shared by all
 * `layers`. The pass waits for it, so that it may read the buffer. It must not write to it.
 */
export type InputObserver = (
  layers: readonly ObservedLayer[],
  input: FloatBuffer,
  tokens: number,
) => void | Promise<void>;
