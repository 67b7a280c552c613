/** Fewest weights of a part: a few microseconds' work, several times what handing it out takes. */
const LEAST_WEIGHTS = 32_768;
/** Rows are divided in multiples of this: a run of the paired layout, and a whole number of cache lines of output. */
const UNIT = 32;

/** Rows (or tokens, in other units) `first … first + count − 1` of at most `parts` parts; `size` is the number of weights, times tokens. */
export function splitRows(
  rows: number,
  size: number,
  parts: number,
  unit: number = UNIT,
): { first: number; count: number }[] {
  const most = Math.min(parts, Math.floor(size / LEAST_WEIGHTS));
  if (most < 2) return [{ first: 0, count: rows }];
  const share = Math.ceil(rows / unit / most) * unit;
  const divided: { first: number; count: number }[] = [];
  for (let first = 0; first < rows; first += share) divided.push({ first, count: Math.min(share, rows - first) });
  return divided;
}
