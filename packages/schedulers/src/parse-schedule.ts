/**
 * Schedule shorthand, as on the command line:
 *
 *     schedule = [ precision ":" ] precision { "," precision "@" point }
 *     point    = whole number | number "%"
 *
 * `4` always 4 bits; `4,3@85` 85 decode forward passes at 4 bits, then 3; `4,3@50%` half of the token limit; `8:4,3@85`
 * with the prompt at 8; `4,3@40,2@80` in three steps. Blanks around numbers and signs do not matter.
 */
import { InvalidScheduleError } from "@stepdown/core";
import { findPlanFault, type PlanFault } from "./check-plan.js";
import { resolveSwitchPoint, type SchedulePlan, type ScheduleStep, type SwitchPoint } from "./schedule-plan.js";

/** Options of {@link parseSchedule}. */
export interface ParseScheduleOptions {
  /** Turns percentages into numbers of decode forward passes. Default: they stay, to be resolved per sequence. */
  readonly maximumNewTokens?: number;
}

/** Longest shorthand that is looked at; ten precisions with the longest points take fewer characters. */
const MAXIMUM_CHARACTERS = 300;

/** A piece of the text and where it stands. */
interface Piece {
  readonly text: string;
  readonly at: number;
}

/** The plan a shorthand stands for. Throws `InvalidScheduleError` that marks the faulty piece between `>>` and `<<`. */
export function parseSchedule(text: string, options: ParseScheduleOptions = {}): SchedulePlan {
  if (typeof text !== "string" || text.length > MAXIMUM_CHARACTERS)
    throw new InvalidScheduleError(
      `A schedule is a text of at most ${MAXIMUM_CHARACTERS} characters, for example 4,3@85.`,
    );
  const whole: Piece = { text, at: 0 };
  const [first, ...rest] = split(whole, ",");
  const [beforeColon, ...afterColon] = split(first!, ":");
  if (afterColon.length > 1)
    throw failure(text, afterColon[1]!, "there is one colon at most, after the prompt's precision");
  const prefillPiece = afterColon.length === 1 ? beforeColon : undefined;
  const prefill = prefillPiece && wholeNumber(text, prefillPiece, "a precision");
  const stepPieces = [[afterColon[0] ?? beforeColon!], ...rest.map((piece) => split(piece, "@"))];
  const steps = stepPieces.map(([precision, point, surplus], index): ScheduleStep => {
    if (index > 0 && point === undefined)
      throw failure(
        text,
        precision!,
        "every precision after the first needs the point it begins at, as in 3@85 or 3@50%",
      );
    if (surplus !== undefined) throw failure(text, surplus, "a precision has one point only");
    return {
      precision: wholeNumber(text, precision!, "a precision"),
      from: point === undefined ? 0 : switchPoint(text, point),
    };
  });
  const plan = prefill === undefined ? { steps } : { prefill, steps };
  const fault = findPlanFault(plan);
  if (fault !== undefined) throw failure(text, faultyPiece(fault, prefillPiece, stepPieces) ?? whole, fault.message);
  return options.maximumNewTokens === undefined ? plan : resolvePlan(plan, options.maximumNewTokens);
}

function resolvePlan(plan: SchedulePlan, maximumNewTokens: number): SchedulePlan {
  return {
    ...plan,
    steps: plan.steps.map(({ precision, from }) => ({ precision, from: resolveSwitchPoint(from, maximumNewTokens) })),
  };
}

function switchPoint(text: string, piece: Piece): SwitchPoint {
  if (!piece.text.endsWith("%")) return wholeNumber(text, piece, "a number of decode steps or a percentage");
  const digits = piece.text.slice(0, -1).trimEnd();
  if (!/^\d{1,3}(\.\d{1,9})?$/.test(digits)) throw failure(text, piece, "a percentage is a number from 0 to 100");
  return { percent: Number(digits) };
}

function wholeNumber(text: string, piece: Piece, what: string): number {
  // Ten digits hold every switch point; longer numbers would lose digits before they can be refused.
  if (/^\d{1,10}$/.test(piece.text)) return Number(piece.text);
  throw failure(text, piece, piece.text === "" ? `${what} is missing here` : `this is not ${what}`);
}

/** Pieces between separators, blanks cut off. */
function split({ text, at }: Piece, separator: string): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  for (const part of text.split(separator)) {
    pieces.push({ text: part.trim(), at: at + start + (part.length - part.trimStart().length) });
    start += part.length + 1;
  }
  return pieces;
}

function faultyPiece(fault: PlanFault, prefill: Piece | undefined, steps: readonly Piece[][]): Piece | undefined {
  if (fault.part === "prefill") return prefill;
  return steps[fault.step]?.[fault.part === "from" ? 1 : 0];
}

function failure(text: string, { text: found, at }: Piece, message: string): InvalidScheduleError {
  const marked = `${text.slice(0, at)}>>${found}<<${text.slice(at + found.length)}`;
  // Control characters and line ends would break the one line that an application prints.
  const printable = (part: string) => part.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
  return new InvalidScheduleError(
    `Schedule "${printable(text)}": ${message} (character ${at + 1}: "${printable(marked)}"). ` +
      "Write for example 4, 4,3@85, 4,3@50%, 8:4,3@85 or 4,3@40,2@80.",
  );
}
