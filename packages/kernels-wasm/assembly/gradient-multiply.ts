/**
 * Float32 matrix products for the backward pass: `c[i][j] (+)= Σ_d a[i][d] · b[d][j]` with any strides, so that transposed
 * operands need no copies of their own. Both sides are packed into panels (4 rows of a, 8 columns of b, depth outermost,
 * zeros beyond the edge), and a block of 4 × 8 sums stays in registers: 6 loads for 8 multiply-adds of four lanes.
 *
 * Every sum runs over d in rising order in one lane, in blocks of DEPTH that are added to c; nothing depends on which
 * thread computes which columns. Multiply and add are rounded separately in both binaries: fused multiply-add (relaxed SIMD)
 * was tried and is no faster where this was measured (24 against 20 to 28 GFLOP/s), and results keep their bits everywhere.
 */

/** Depth of a block: 4 KiB of a's panel and 8 KiB of b's stay in the first-level cache. */
export const DEPTH: i32 = 256;
/** Rows of a that stay in the second-level cache while the columns of a job pass. */
const ROWS: i32 = 128;
/** Columns of c per job: the unit that threads share. */
export const JOB_COLUMNS: i32 = 32;

/** What happens to c: replaced, added to, or the square of the whole sum added (the diagonal Fisher). */
export const STORE: i32 = 0;
export const ADD: i32 = 1;
export const ADD_SQUARE: i32 = 2;

// @ts-ignore: decorator
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * One panel: `target[d][lane]` = `source[lane][d]` for `lanes` of `width` (4 or 8) lanes, zeros in the others. Strides in
 * bytes. `scale` (0: none) points at one factor per d.
 */
export function packPanel(
  source: usize,
  laneStride: usize,
  depthStride: usize,
  lanes: i32,
  width: i32,
  depth: i32,
  target: usize,
  scale: usize,
): void {
  const rowBytes = <usize>width << 2;
  if (lanes == width && laneStride == 4) {
    let to = target;
    for (let d = 0; d < depth; d++) {
      v128.store(to, v128.load(source));
      if (width == 8) v128.store(to, v128.load(source, 16), 16);
      source += depthStride;
      to += rowBytes;
    }
  } else if (lanes == width && depthStride == 4) {
    for (let first = 0; first < width; first += 4) {
      let a = source + <usize>first * laneStride;
      let b = a + laneStride;
      let c = b + laneStride;
      let e = c + laneStride;
      let to = target + (<usize>first << 2);
      let d = 0;
      for (; d + 4 <= depth; d += 4) {
        const va = v128.load(a);
        const vb = v128.load(b);
        const vc = v128.load(c);
        const ve = v128.load(e);
        const ab = i32x4.shuffle(va, vb, 0, 4, 1, 5);
        const ce = i32x4.shuffle(vc, ve, 0, 4, 1, 5);
        const ab2 = i32x4.shuffle(va, vb, 2, 6, 3, 7);
        const ce2 = i32x4.shuffle(vc, ve, 2, 6, 3, 7);
        v128.store(to, i32x4.shuffle(ab, ce, 0, 1, 4, 5));
        v128.store(to + rowBytes, i32x4.shuffle(ab, ce, 2, 3, 6, 7));
        v128.store(to + 2 * rowBytes, i32x4.shuffle(ab2, ce2, 0, 1, 4, 5));
        v128.store(to + 3 * rowBytes, i32x4.shuffle(ab2, ce2, 2, 3, 6, 7));
        a += 16;
        b += 16;
        c += 16;
        e += 16;
        to += 4 * rowBytes;
      }
      for (; d < depth; d++) {
        f32.store(to, f32.load(a));
        f32.store(to, f32.load(b), 4);
        f32.store(to, f32.load(c), 8);
        f32.store(to, f32.load(e), 12);
        a += 4;
        b += 4;
        c += 4;
        e += 4;
        to += rowBytes;
      }
    }
  } else {
    let to = target;
    for (let d = 0; d < depth; d++) {
      for (let lane = 0; lane < width; lane++) {
        f32.store(to + (<usize>lane << 2), lane < lanes ? f32.load(source + <usize>lane * laneStride) : 0);
      }
      source += depthStride;
      to += rowBytes;
    }
  }
  if (scale) {
    const end = target + <usize>depth * rowBytes;
    for (let to = target; to < end; to += rowBytes) {
      const factor = v128.load32_splat(scale);
      v128.store(to, f32x4.mul(v128.load(to), factor));
      if (width == 8) v128.store(to, f32x4.mul(v128.load(to, 16), factor), 16);
      scale += 4;
    }
  }
}

// @ts-ignore: decorator
@inline
function put(at: usize, sum: v128, mode: i32): void {
  if (mode == ADD_SQUARE) sum = multiplyAdd(sum, sum, v128.load(at));
  else if (mode == ADD) sum = f32x4.add(sum, v128.load(at));
  v128.store(at, sum);
}

/** A block of 4 × 8 of c from one panel of each side. `spare`: 256 bytes for blocks that hang over the edge. */
function multiplyBlock(
  a: usize,
  b: usize,
  depth: i32,
  c: usize,
  rowBytes: usize,
  rows: i32,
  columns: i32,
  mode: i32,
  spare: usize,
): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  let left = depth;
  for (; left >= 2; left -= 2) {
    let x0 = v128.load(b);
    let x1 = v128.load(b, 16);
    let w = v128.load32_splat(a);
    a0 = multiplyAdd(w, x0, a0);
    a1 = multiplyAdd(w, x1, a1);
    w = v128.load32_splat(a, 4);
    b0 = multiplyAdd(w, x0, b0);
    b1 = multiplyAdd(w, x1, b1);
    w = v128.load32_splat(a, 8);
    c0 = multiplyAdd(w, x0, c0);
    c1 = multiplyAdd(w, x1, c1);
    w = v128.load32_splat(a, 12);
    d0 = multiplyAdd(w, x0, d0);
    d1 = multiplyAdd(w, x1, d1);
    x0 = v128.load(b, 32);
    x1 = v128.load(b, 48);
    w = v128.load32_splat(a, 16);
    a0 = multiplyAdd(w, x0, a0);
    a1 = multiplyAdd(w, x1, a1);
    w = v128.load32_splat(a, 20);
    b0 = multiplyAdd(w, x0, b0);
    b1 = multiplyAdd(w, x1, b1);
    w = v128.load32_splat(a, 24);
    c0 = multiplyAdd(w, x0, c0);
    c1 = multiplyAdd(w, x1, c1);
    w = v128.load32_splat(a, 28);
    d0 = multiplyAdd(w, x0, d0);
    d1 = multiplyAdd(w, x1, d1);
    a += 32;
    b += 64;
  }
  if (left > 0) {
    const x0 = v128.load(b);
    const x1 = v128.load(b, 16);
    let w = v128.load32_splat(a);
    a0 = multiplyAdd(w, x0, a0);
    a1 = multiplyAdd(w, x1, a1);
    w = v128.load32_splat(a, 4);
    b0 = multiplyAdd(w, x0, b0);
    b1 = multiplyAdd(w, x1, b1);
    w = v128.load32_splat(a, 8);
    c0 = multiplyAdd(w, x0, c0);
    c1 = multiplyAdd(w, x1, c1);
    w = v128.load32_splat(a, 12);
    d0 = multiplyAdd(w, x0, d0);
    d1 = multiplyAdd(w, x1, d1);
  }
  const whole = rows >= 4 && columns >= 8;
  const target = whole ? c : spare;
  const step = whole ? rowBytes : 32;
  if (!whole) copyBlock(c, rowBytes, spare, 32, rows, columns);
  put(target, a0, mode);
  put(target + 16, a1, mode);
  put(target + step, b0, mode);
  put(target + step + 16, b1, mode);
  put(target + 2 * step, c0, mode);
  put(target + 2 * step + 16, c1, mode);
  put(target + 3 * step, d0, mode);
  put(target + 3 * step + 16, d1, mode);
  if (!whole) copyBlock(spare, 32, c, rowBytes, rows, columns);
}

function copyBlock(from: usize, fromBytes: usize, to: usize, toBytes: usize, rows: i32, columns: i32): void {
  for (let i = 0; i < min(rows, 4); i++) {
    for (let j = 0; j < min(columns, 8); j++) f32.store(to + (<usize>j << 2), f32.load(from + (<usize>j << 2)));
    from += fromBytes;
    to += toBytes;
  }
}

/** Packed panels of a: `[depth blocks][panels of 4 rows][depth of the block][4]`; address of one block's first panel. */
// @ts-ignore: decorator
@inline
function packedAt(packed: usize, firstDepth: i32, rows: i32): usize {
  return packed + (((<usize>firstDepth * <usize>((rows + 3) >> 2)) << 2) << 2);
}

/** Packs rows `first … last − 1` of a (`first` a multiple of 4) for blocks of `blockDepth`. */
export function packRows(
  a: usize,
  rowStride: usize,
  depthStride: usize,
  rows: i32,
  depth: i32,
  blockDepth: i32,
  scale: usize,
  packed: usize,
  first: i32,
  last: i32,
): void {
  for (let from = 0; from < depth; from += blockDepth) {
    const length = min(blockDepth, depth - from);
    const block = packedAt(packed, from, rows);
    for (let i = first; i < last; i += 4) {
      packPanel(
        a + <usize>i * rowStride + <usize>from * depthStride,
        rowStride,
        depthStride,
        min(4, rows - i),
        4,
        length,
        block + ((<usize>i * <usize>length) << 2),
        scale ? scale + (<usize>from << 2) : 0,
      );
    }
  }
}

/**
 * Columns `first … last − 1` of c for all rows, from packed a. `upper`: blocks that lie wholly below the diagonal are left
 * out. `scratch`: 256 bytes, then room for (last − first, rounded up to 8) × blockDepth numbers.
 */
export function multiplyColumns(
  packed: usize,
  rows: i32,
  depth: i32,
  blockDepth: i32,
  b: usize,
  columnStride: usize,
  depthStride: usize,
  c: usize,
  rowBytes: usize,
  mode: i32,
  upper: bool,
  first: i32,
  last: i32,
  scratch: usize,
): void {
  const panels = scratch + 256;
  for (let from = 0; from < depth; from += blockDepth) {
    const length = min(blockDepth, depth - from);
    const panelBytes = (<usize>length << 2) << 3;
    let to = panels;
    for (let j = first; j < last; j += 8) {
      packPanel(
        b + <usize>j * columnStride + <usize>from * depthStride,
        columnStride,
        depthStride,
        min(8, last - j),
        8,
        length,
        to,
        0,
      );
      to += panelBytes;
    }
    const block = packedAt(packed, from, rows);
    const how = from > 0 ? ADD : mode;
    for (let top = 0; top < rows; top += ROWS) {
      const bottom = min(top + ROWS, rows);
      let panel = panels;
      for (let j = first; j < last; j += 8) {
        const end = upper ? min(bottom, j + 8) : bottom;
        for (let i = top; i < end; i += 4) {
          multiplyBlock(
            block + ((<usize>i * <usize>length) << 2),
            panel,
            length,
            c + <usize>i * rowBytes + (<usize>j << 2),
            rowBytes,
            rows - i,
            last - j,
            how,
            scratch,
          );
        }
        panel += panelBytes;
      }
    }
  }
}

/**
 * A small product on this thread. `scratch`: 256 bytes, 8 × depth numbers, and (rows, rounded up to 4) × depth numbers.
 */
export function multiplySmall(
  a: usize,
  aRowStride: usize,
  aDepthStride: usize,
  b: usize,
  bColumnStride: usize,
  bDepthStride: usize,
  c: usize,
  rowBytes: usize,
  rows: i32,
  columns: i32,
  depth: i32,
  mode: i32,
  scratch: usize,
): void {
  const packed = scratch + 256 + ((<usize>depth << 3) << 2);
  packRows(a, aRowStride, aDepthStride, rows, depth, depth, 0, packed, 0, rows);
  for (let j = 0; j < columns; j += 8) {
    multiplyColumns(
      packed,
      rows,
      depth,
      depth,
      b,
      bColumnStride,
      bDepthStride,
      c,
      rowBytes,
      mode,
      false,
      j,
      min(j + 8, columns),
      scratch,
    );
  }
}
