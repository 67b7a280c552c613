/** Norms over the columns of each token, float32 sums in four lanes (two passes for the layer norm). In place allowed. */
import { loadLanes, storeLanes, sumLanes } from "./sums";

export function rmsNormalize(input: usize, weight: usize, epsilon: f32, output: usize, tokens: i32, columns: i32): void {
  const bytes = <usize>columns << 2;
  for (; tokens > 0; tokens--) {
    let squares = f32x4.splat(0);
    for (let k = 0; k < columns; k += 4) {
      const v = loadLanes(input + (<usize>k << 2), columns - k);
      squares = f32x4.add(squares, f32x4.mul(v, v));
    }
    const factor = f32x4.splat(<f32>1 / sqrt<f32>(sumLanes(squares) / <f32>columns + epsilon));
    for (let k = 0; k < columns; k += 4) {
      const at = <usize>k << 2;
      const v = f32x4.mul(loadLanes(input + at, columns - k), factor);
      storeLanes(output + at, f32x4.mul(v, loadLanes(weight + at, columns - k)), columns - k);
    }
    input += bytes;
    output += bytes;
  }
}

/** `bias` is 0 where there is none. */
export function layerNormalize(
  input: usize,
  weight: usize,
  bias: usize,
  epsilon: f32,
  output: usize,
  tokens: i32,
  columns: i32,
): void {
  const bytes = <usize>columns << 2;
  for (; tokens > 0; tokens--) {
    let sums = f32x4.splat(0);
    for (let k = 0; k < columns; k += 4) sums = f32x4.add(sums, loadLanes(input + (<usize>k << 2), columns - k));
    const mean = sumLanes(sums) / <f32>columns;
    const means = f32x4.splat(mean);
    let squares = f32x4.splat(0);
    let k = 0;
    for (; k + 4 <= columns; k += 4) {
      const v = f32x4.sub(v128.load(input + (<usize>k << 2)), means);
      squares = f32x4.add(squares, f32x4.mul(v, v));
    }
    let square = sumLanes(squares);
    for (; k < columns; k++) {
      const v = f32.load(input + (<usize>k << 2)) - mean;
      square += v * v;
    }
    const factor = f32x4.splat(<f32>1 / sqrt<f32>(square / <f32>columns + epsilon));
    for (k = 0; k < columns; k += 4) {
      const at = <usize>k << 2;
      let v = f32x4.mul(f32x4.sub(loadLanes(input + at, columns - k), means), factor);
      v = f32x4.mul(v, loadLanes(weight + at, columns - k));
      if (bias) v = f32x4.add(v, loadLanes(bias + at, columns - k));
      storeLanes(output + at, v, columns - k);
    }
    input += bytes;
    output += bytes;
  }
}
