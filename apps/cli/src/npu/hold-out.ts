/** Which precisions a fit may see, and which it has to predict. */
import { InvalidArgumentError, type Precision } from "@stepdown/core";
import { MINIMUM_MEASUREMENTS } from "@stepdown/npu-model";

/** Bits of rows, split. */
export interface HeldOut<Row> {
  readonly fitted: readonly Row[];
  readonly heldOut: readonly Row[];
}

/**
 * Splits rows by their bits. Without a wish every second precision between the lowest and the highest is held out, as long
 * as enough rows are left; with too few, none is.
 */
export function holdOut<Row extends { readonly bits: Precision }>(
  rows: readonly Row[],
  wanted: readonly Precision[] | "none" | undefined,
): HeldOut<Row> {
  const bits = [...new Set(rows.map((row) => row.bits))].sort((one, other) => one - other);
  const split = (held: readonly Precision[]): HeldOut<Row> => ({
    fitted: rows.filter((row) => !held.includes(row.bits)),
    heldOut: rows.filter((row) => held.includes(row.bits)),
  });
  if (wanted === "none") return split([]);
  if (wanted !== undefined) {
    const strange = wanted.filter((value) => !bits.includes(value));
    if (strange.length > 0)
      throw new InvalidArgumentError(`--hold-out ${strange.join(",")}: the rows have ${bits.join(", ")} bits.`);
    return split(wanted);
  }
  const chosen = split(bits.filter((_, index) => index % 2 === 1 && index < bits.length - 1));
  return chosen.fitted.length >= MINIMUM_MEASUREMENTS ? chosen : split([]);
}
