/**
 * A suite: one subcommand that measures one kind of work. A further suite is one file like its neighbours and one entry in
 * `suite-list.ts`.
 */
import type { Command } from "commander";
import type { CommonOptions } from "../options/common.js";
import type { Session } from "../session.js";

/** One suite; `Options` are the values of its own options. */
export interface Suite<Options = object> {
  readonly name: string;
  readonly description: string;
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Where the common options differ from suite to suite. */
  readonly defaults: { readonly warmUp: number; readonly repetitions: number };
  addOptions(command: Command): void;
  run(session: Session, options: Options & CommonOptions): Promise<void>;
}
