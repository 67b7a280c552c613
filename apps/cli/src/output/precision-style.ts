/** How the precision of a token is shown: a colour per bit-width on a terminal, a mark where it changes elsewhere. */
import type { PrecisionDecision } from "@stepdown/core";
import pc from "picocolors";

type Paint = (text: string) => string;

const colors = pc.createColors(true);

const paints: Readonly<Record<number, Paint>> = {
  1: colors.redBright,
  2: colors.red,
  3: colors.yellow,
  4: colors.green,
  5: colors.cyan,
  6: colors.blueBright,
  7: colors.blue,
  8: colors.magenta,
};

/** Short name of a decision: "4", or "3.5 (mixed)" for one that differs between blocks. */
export function precisionLabel(decision: PrecisionDecision): string {
  if (typeof decision === "number") return String(decision);
  const first = decision[0] as number;
  if (decision.every((bits) => bits === first)) return String(first);
  return `${(decision.reduce((sum, bits) => sum + bits, 0) / decision.length).toFixed(1)} (mixed)`;
}

/** Writes tokens one after another in the colour of their precision, or with `[bits]` marks where it changes. */
export function createTokenPainter(useColors: boolean): (text: string, decision: PrecisionDecision) => string {
  let shown: string | undefined;
  return (text, decision) => {
    const label = precisionLabel(decision);
    if (useColors) return paintOf(decision)(text);
    const mark = label === shown ? "" : `[${label}]`;
    shown = label;
    return `${mark}${text}`;
  };
}

/** One line that explains the colours or marks of the bit-widths given. */
export function precisionLegend(bits: readonly PrecisionDecision[], useColors: boolean): string {
  const labels = [...new Set(bits.map(precisionLabel))].sort().reverse();
  const sample = (label: string) =>
    useColors ? paintOf(Number.parseFloat(label))(`■ ${label} bits`) : `[${label}] ${label} bits`;
  return `precision of each token: ${labels.map(sample).join("   ")}`;
}

function paintOf(decision: PrecisionDecision): Paint {
  const bits = typeof decision === "number" ? decision : Number.parseFloat(precisionLabel(decision));
  return paints[Math.round(bits)] ?? ((text) => text);
}
