import type {
  CacheType,
  LanguageModel,
  PrecisionDecision,
  SamplingOptions,
  Scheduler,
  Sequence,
  Tokenizer,
  WaitOptions,
} from "@stepdown/core";

/** Tokens generated where no limit is given. */
export const DEFAULT_MAXIMUM_NEW_TOKENS = 256;

/** Options of `generate` and `generateText`; `onProgress` counts prompt tokens, then generated tokens. */
export interface GenerateOptions extends WaitOptions {
  readonly model: LanguageModel;
  /** Chooses the precision of every forward pass. */
  readonly scheduler: Scheduler;
  /** Token ids of the prompt, at least one; with `sequence`, only those that are not cached yet. */
  readonly prompt: readonly number[];
  /** Most tokens to generate; fewer where the context ends. Default {@link DEFAULT_MAXIMUM_NEW_TOKENS}. */
  readonly maximumNewTokens?: number;
  /** How tokens are drawn. Default: greedy. */
  readonly sampling?: SamplingOptions;
  /** What ends the text before the limit. */
  readonly stop?: StopOptions;
  /** Makes text of ids; without it parts carry no text and stop strings cannot be used. */
  readonly tokenizer?: Tokenizer;
  /** `true`: log probability of each token; a number: of that many most likely tokens, too. Default `false`. */
  readonly logProbabilities?: boolean | number;
  /** Number format of a new sequence's cache. Default `f32`. Not together with `sequence`. */
  readonly cacheType?: CacheType;
  /**
   * Continues this sequence instead of a new one, and leaves it to the caller. Its cache then holds the prompt and all
   * generated tokens but the last, which was never forwarded: the next prompt has to begin with it.
   */
  readonly sequence?: Sequence;
  /** Precision of the prompt's forward passes instead of the scheduler's choice. Default: the scheduler's. */
  readonly prefillPrecision?: PrecisionDecision;
  /**
   * `reference` repeats the generation loop of the published PMPD code, for comparing averages with published ones:
   * greedy; one token more than the limit; the last token is forwarded, too; only the first of the stop ids counts; the
   * prompt at the model's highest precision; the first decode forward at the scheduler's highest without asking it, then
   * the scheduler is asked with index 1, 2, …; a float model stops after 256 tokens. Its log of precisions is the
   * trace's `decode` without the first entry (all entries for a float model). Default: none of this.
   */
  readonly compat?: "reference";
}

/** What ends a generation before its limit. */
export interface StopOptions {
  /** Ids that end it, searched among generated ids only. Default: those of the model and of the tokenizer. */
  readonly ids?: readonly number[];
  /** Strings that end it; neither they nor what follows is shown. They may span tokens. Default: none. */
  readonly strings?: readonly string[];
}
