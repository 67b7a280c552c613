/** Turns whatever was thrown into one clear line and an exit code; never a stack trace. */
import { StepdownError, type StepdownErrorCode } from "@stepdown/core";
import { CommanderError } from "commander";

/** What a failed run tells its caller. */
export interface Failure {
  readonly message: string;
  readonly code: StepdownErrorCode | "bad-use" | "stopped" | "unexpected";
  /** 1: it failed; 2: it was used wrongly; 130: it was stopped by Ctrl-C. */
  readonly exitCode: 1 | 2 | 130;
}

/** Thrown by a command that ran another app, which has said everything already; carries that app's exit code. */
export class ForwardedExit extends Error {
  constructor(readonly exitCode: number) {
    super(`ended with exit code ${exitCode}`);
    this.name = "ForwardedExit";
  }
}

/** Exit code of a process that was stopped by Ctrl-C: 128 + SIGINT. */
const STOPPED = 130;

/** Describes a thrown value; `undefined` when it was only help or the version being shown. */
export function describeFailure(thrown: unknown, stopped: boolean): Failure | undefined {
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return undefined;
    return { message: oneLine(thrown.message.replace(/^error: /, "")), code: "bad-use", exitCode: 2 };
  }
  if (stopped || (thrown instanceof Error && thrown.name === "AbortError")) {
    return { message: "stopped", code: "stopped", exitCode: STOPPED };
  }
  if (StepdownError.isInstance(thrown)) {
    const badUse = thrown.code === "invalid-argument" || thrown.code === "invalid-schedule";
    return { message: oneLine(thrown.message), code: thrown.code, exitCode: badUse ? 2 : 1 };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { message: oneLine(message), code: "unexpected", exitCode: 1 };
}

function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, " ").trim();
}
