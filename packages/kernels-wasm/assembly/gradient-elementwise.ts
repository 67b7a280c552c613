/** What a backward pass needs besides products and attention. All buffers float32 `[tokens][columns]`, rows contiguous. */
import { exponential } from "./exponential";
import { largestOf } from "./elementwise";
import { loadLanes, storeLanes, sumLanes } from "./sums";

/** Silu is smaller than any normal float32 below it, and so is its slope. */
const SILU_LEAST: f32 = -87;

/**
 * Gradient of the root-mean-square norm `y = w x r`, `r = (mean(x²) + ε)^(−1/2)`, into `target`:
 * `w g r − x r³ mean(w g x)`, g the gradient of y. Added if `adds`. `target` may be `gradient`.
 */
export function rmsNormalizeBackward(
  input: usize,
  weight: usize,
  epsilon: f32,
  gradient: usize,
  target: usize,
  tokens: i32,
  columns: i32,
  adds: bool,
): void {
  const bytes = <usize>columns << 2;
  for (; tokens > 0; tokens--) {
    let squares = f32x4.splat(0);
    let products = f32x4.splat(0);
    for (let k = 0; k < columns; k += 4) {
      const at = <usize>k << 2;
      const x = loadLanes(input + at, columns - k);
      const g = f32x4.mul(loadLanes(gradient + at, columns - k), loadLanes(weight + at, columns - k));
      squares = f32x4.add(squares, f32x4.mul(x, x));
      products = f32x4.add(products, f32x4.mul(x, g));
    }
    const r = <f32>1 / sqrt<f32>(sumLanes(squares) / <f32>columns + epsilon);
    const factor = f32x4.splat(r);
    const along = f32x4.splat((r * r * r * sumLanes(products)) / <f32>columns);
    for (let k = 0; k < columns; k += 4) {
      const at = <usize>k << 2;
      const left = columns - k;
      const g = f32x4.mul(loadLanes(gradient + at, left), loadLanes(weight + at, left));
      let v = f32x4.sub(f32x4.mul(g, factor), f32x4.mul(loadLanes(input + at, left), along));
      if (adds) v = f32x4.add(v, loadLanes(target + at, left));
      storeLanes(target + at, v, left);
    }
    input += bytes;
    gradient += bytes;
    target += bytes;
  }
}

/**
 * Gradient of the layer norm `y = w z + b`, `z = (x − mean) r`, into `target`: `r (w g − mean(w g) − z mean(w g z))`.
 */
export function layerNormalizeBackward(
  input: usize,
  weight: usize,
  epsilon: f32,
  gradient: usize,
  target: usize,
  tokens: i32,
  columns: i32,
  adds: bool,
): void {
  const bytes = <usize>columns << 2;
  for (; tokens > 0; tokens--) {
    let sums = f32x4.splat(0);
    for (let k = 0; k < columns; k += 4) sums = f32x4.add(sums, loadLanes(input + (<usize>k << 2), columns - k));
    const mean = sumLanes(sums) / <f32>columns;
    let square: f32 = 0;
    let slope: f32 = 0;
    let product: f32 = 0;
    for (let k = 0; k < columns; k++) {
      const at = <usize>k << 2;
      const x = f32.load(input + at) - mean;
      const g = f32.load(gradient + at) * f32.load(weight + at);
      square += x * x;
      slope += g;
      product += g * x;
    }
    const r = <f32>1 / sqrt<f32>(square / <f32>columns + epsilon);
    slope /= <f32>columns;
    product = (product * r * r) / <f32>columns;
    for (let k = 0; k < columns; k++) {
      const at = <usize>k << 2;
      const x = f32.load(input + at) - mean;
      const v = r * (f32.load(gradient + at) * f32.load(weight + at) - slope - x * product);
      f32.store(target + at, adds ? f32.load(target + at) + v : v);
    }
    input += bytes;
    gradient += bytes;
    target += bytes;
  }
}

/** Rotary embedding in place, or undone with `sign` −1 (its transpose). Tables point at the first token's row. */
export function rotateSigned(
  target: usize,
  cosines: usize,
  sines: usize,
  tokens: i32,
  heads: i32,
  headDimension: i32,
  half: i32,
  sign: f32,
): void {
  for (; tokens > 0; tokens--) {
    for (let h = heads; h > 0; h--) {
      for (let i = 0; i < half; i++) {
        const at = target + (<usize>i << 2);
        const cosine = f32.load(cosines + (<usize>i << 2));
        const sine = sign * f32.load(sines + (<usize>i << 2));
        const first = f32.load(at);
        const second = f32.load(at + (<usize>half << 2));
        f32.store(at, first * cosine - second * sine);
        f32.store(at + (<usize>half << 2), second * cosine + first * sine);
      }
      target += <usize>headDimension << 2;
    }
    cosines += <usize>half << 2;
    sines += <usize>half << 2;
  }
}

/** `output = silu(gate) · up`. */
export function gateForward(gate: usize, up: usize, output: usize, length: i32): void {
  const one = f32x4.splat(1);
  for (; length > 0; length -= 4) {
    const g = loadLanes(gate, length);
    const quotient = f32x4.div(g, f32x4.add(one, exponential(f32x4.neg(g))));
    const silu = v128.andnot(quotient, f32x4.lt(g, f32x4.splat(SILU_LEAST)));
    storeLanes(output, f32x4.mul(silu, loadLanes(up, length)), length);
    gate += 16;
    up += 16;
    output += 16;
  }
}

/**
 * Gradients of `silu(gate) · up`: with σ = 1 / (1 + e^−gate), that of up is `g gate σ`, that of gate
 * `g up σ (1 + gate (1 − σ))`. They replace gate and up.
 */
export function gateBackward(gate: usize, up: usize, gradient: usize, length: i32): void {
  const one = f32x4.splat(1);
  for (; length > 0; length -= 4) {
    const x = loadLanes(gate, length);
    const u = loadLanes(up, length);
    const g = loadLanes(gradient, length);
    const dead = f32x4.lt(x, f32x4.splat(SILU_LEAST));
    const s = v128.andnot(f32x4.div(one, f32x4.add(one, exponential(f32x4.neg(x)))), dead);
    const slope = f32x4.mul(s, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, s))));
    storeLanes(up, f32x4.mul(g, f32x4.mul(x, s)), length);
    storeLanes(gate, f32x4.mul(f32x4.mul(g, u), slope), length);
    gate += 16;
    up += 16;
    gradient += 16;
  }
}

/** Numbers whose exponentials are summed in float32 before the sum moves on to float64. */
const RUN: i32 = 256;

/**
 * Cross-entropy of each row's softmax with its target, into `losses`; the row becomes the gradient
 * `(softmax − one at the target) · factor`. A negative target has no loss and a gradient of zeros.
 */
export function crossEntropyRows(
  logits: usize,
  targets: usize,
  losses: usize,
  rows: i32,
  columns: i32,
  factor: f32,
): void {
  const bytes = <usize>columns << 2;
  for (; rows > 0; rows--) {
    const wanted = i32.load(targets);
    if (wanted < 0) {
      memory.fill(logits, 0, bytes);
      f32.store(losses, 0);
    } else {
      const largest = largestOf(logits, columns);
      const shift = f32x4.splat(largest);
      const correct = f32.load(logits + (<usize>wanted << 2));
      let total: f64 = 0;
      for (let from = 0; from < columns; from += RUN) {
        const to = min(from + RUN, columns);
        let sums = f32x4.splat(0);
        let k = from;
        for (; k + 4 <= to; k += 4) {
          const at = logits + (<usize>k << 2);
          const e = exponential(f32x4.sub(v128.load(at), shift));
          v128.store(at, e);
          sums = f32x4.add(sums, e);
        }
        total += <f64>sumLanes(sums);
        for (; k < to; k++) {
          const at = logits + (<usize>k << 2);
          const e = f32x4.extract_lane(exponential(f32x4.sub(v128.load32_splat(at), shift)), 0);
          f32.store(at, e);
          total += <f64>e;
        }
      }
      f32.store(losses, <f32>(Math.log(total) + <f64>largest - <f64>correct));
      const scale = f32x4.splat(<f32>(<f64>factor / total));
      for (let k = 0; k < columns; k += 4) {
        const at = logits + (<usize>k << 2);
        storeLanes(at, f32x4.mul(loadLanes(at, columns - k), scale), columns - k);
      }
      const at = logits + (<usize>wanted << 2);
      f32.store(at, f32.load(at) - factor);
    }
    logits += bytes;
    targets += 4;
    losses += 4;
  }
}

/** `target[t][n] += bias[n]`. */
export function addBias(target: usize, bias: usize, tokens: i32, columns: i32): void {
  for (; tokens > 0; tokens--) {
    for (let k = 0; k < columns; k += 4) {
      const at = target + (<usize>k << 2);
      storeLanes(at, f32x4.add(loadLanes(at, columns - k), loadLanes(bias + (<usize>k << 2), columns - k)), columns - k);
    }
    target += <usize>columns << 2;
  }
}

/** `output[t]` = factor · mean of the squares of row t. */
export function meanSquares(input: usize, output: usize, tokens: i32, columns: i32, factor: f32): void {
  for (; tokens > 0; tokens--) {
    let sums = f32x4.splat(0);
    const many = f32x4.splat(factor);
    for (let k = 0; k < columns; k += 4) {
      const v = loadLanes(input + (<usize>k << 2), columns - k);
      // Multiplied first: squares of small gradients would be lost below the least float32.
      sums = f32x4.add(sums, f32x4.mul(f32x4.mul(v, many), v));
    }
    f32.store(output, sumLanes(sums) / <f32>columns);
    input += <usize>columns << 2;
    output += 4;
  }
}
