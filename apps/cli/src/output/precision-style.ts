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

/** One line with the bit-widths of some tokens and how many tokens each has, in their colours or marks. */
export function precisionLegend(bits: readonly PrecisionDecision[], useColors: boolean): string {
  const counts = new Map<string, number>();
  for (const decision of bits) counts.set(precisionLabel(decision), (counts.get(precisionLabel(decision)) ?? 0) + 1);
  const entries = [...counts].sort(([left], [right]) => Number.parseFloat(right) - Number.parseFloat(left));
  const entry = ([label, count]: [string, number]) => {
    const text = `${useColors ? "■" : `[${label}]`} ${label} bits × ${count}`;
    return useColors ? paintOf(Number.parseFloat(label))(text) : text;
  };
  return `tokens by precision: ${entries.map(entry).join("   ")}`;
}

function paintOf(decision: PrecisionDecision): Paint {
  const bits = typeof decision === "number" ? decision : Number.parseFloat(precisionLabel(decision));
  return paints[Math.round(bits)] ?? ((text) => text);
}
