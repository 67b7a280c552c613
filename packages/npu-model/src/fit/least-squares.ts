/**
 * Least squares with few unknowns, all of them 0 or more. Problems have three unknowns, so every set of unknowns that
 * may be non-zero is tried; nothing here iterates or depends on a starting point.
 */

/** Solution of {@link solveNonNegative}. */
export interface LeastSquares {
  readonly unknowns: readonly number[];
  /** Sum of squared residuals. */
  readonly squaredError: number;
}

/** Relative size below which a pivot counts as zero: the columns are then parallel within rounding. */
const SINGULAR = 1e-10;

/**
 * Minimises Σ (row · x − target)² over x ≥ 0. Columns with `false` in `allowed` stay 0. Among equal errors the solution
 * with the fewest non-zero unknowns wins. `undefined` if no set of columns is independent.
 */
export function solveNonNegative(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  allowed: readonly boolean[],
): LeastSquares | undefined {
  const columns = allowed.flatMap((use, index) => (use ? [index] : []));
  let best: LeastSquares | undefined;
  const sets = Array.from({ length: 2 ** columns.length }, (_, mask) =>
    columns.filter((_column, bit) => (mask >> bit) & 1),
  ).sort((one, other) => one.length - other.length);
  for (const set of sets) {
    const solution = set.length === 0 ? [] : solveColumns(rows, targets, set);
    if (solution === undefined || solution.some((value) => value < 0)) continue;
    const unknowns = allowed.map((_, index) => solution[set.indexOf(index)] ?? 0);
    const squaredError = rows.reduce((sum, row, index) => {
      const predicted = row.reduce((total, value, column) => total + value * unknowns[column]!, 0);
      return sum + (predicted - targets[index]!) ** 2;
    }, 0);
    if (best === undefined || squaredError < best.squaredError * (1 - 1e-9) - 1e-18) best = { unknowns, squaredError };
  }
  return best;
}

/** Normal equations of some columns, scaled to unit length, by elimination with pivoting. */
function solveColumns(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  set: readonly number[],
): number[] | undefined {
  const lengths = set.map((column) => Math.hypot(...rows.map((row) => row[column]!)));
  if (lengths.some((length) => length === 0)) return undefined;
  const matrix = set.map((one, i) => [
    ...set.map((other, j) =>
      rows.reduce((sum, row) => sum + (row[one]! / lengths[i]!) * (row[other]! / lengths[j]!), 0),
    ),
    rows.reduce((sum, row, index) => sum + (row[one]! / lengths[i]!) * targets[index]!, 0),
  ]);
  const size = set.length;
  for (let step = 0; step < size; step++) {
    let pivot = step;
    for (let row = step + 1; row < size; row++)
      if (Math.abs(matrix[row]![step]!) > Math.abs(matrix[pivot]![step]!)) pivot = row;
    if (Math.abs(matrix[pivot]![step]!) < SINGULAR) return undefined;
    [matrix[step], matrix[pivot]] = [matrix[pivot]!, matrix[step]!];
    for (let row = 0; row < size; row++) {
      if (row === step) continue;
      const factor = matrix[row]![step]! / matrix[step]![step]!;
      for (let column = step; column <= size; column++) matrix[row]![column]! -= factor * matrix[step]![column]!;
    }
  }
  return matrix.map((row, index) => row[size]! / row[index]! / lengths[index]!);
}
