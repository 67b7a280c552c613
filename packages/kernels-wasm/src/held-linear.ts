/** Weights as they lie in linear memory. All pointers are byte addresses. */
import type { Precision, PreparedLinear, WeightCodec } from "@stepdown/core";
import type { HeldOutliers } from "./sparse-outliers.js";

/** Layout by codec; see the file of the same codec in `../assembly`. */
export type WeightLayout =
  | { readonly kind: "dense"; readonly weights: number; readonly type: "f32" | "f16" | "bf16" }
  | {
      readonly kind: "codebook";
      /** Plane 0; plane i follows `i · planeBytes` later. */
      readonly planes: number;
      readonly planeBytes: number;
      /** Per row; each lies like a row of its own, padded to `paddedColumns / groupCount`. */
      readonly groupCount: number;
      /** Per precision halves `[rows][groupCount][2^p]`, and whether all of them are finite. */
      readonly tables: ReadonlyMap<Precision, { readonly start: number; readonly isFinite: boolean }>;
      /** Absent where no weight is kept apart. */
      readonly outliers: HeldOutliers | undefined;
    }
  | {
      /** `uniform`: nibbles, up to 4 bits; `bytes`: more. */
      readonly kind: "uniform" | "bytes";
      readonly weights: number;
      readonly scales: number;
    }
  | {
      /** `paired`: the layout of `paired-dot.ts`; `bcq`: rows of planes, for groups that are no multiples of 4 columns. */
      readonly kind: "paired" | "bcq";
      readonly planes: number;
      readonly planeBytes: number;
      readonly groupSize: number;
      /** Offsets are 0 where absent. */
      readonly scales: ReadonlyMap<Precision, { codes: number; steps: number; offsets: number }>;
    };

/** Parts of a row that are padded one by one. */
export function paddedPartsOf(layout: WeightLayout): number {
  return layout.kind === "codebook" ? layout.groupCount : 1;
}

/** A prepared weight. `ranges` are the addresses to give back; empty once freed. */
export class HeldLinear implements PreparedLinear {
  readonly rows: number;
  readonly columns: number;
  readonly codec: WeightCodec;
  readonly precisions: readonly Precision[];
  readonly bytes: number;
  /** Columns including padding: a multiple of 64 for nested weights, of 16 for dense ones. */
  readonly paddedColumns: number;
  readonly layout: WeightLayout;
  readonly owner: object;
  ranges: readonly number[];

  constructor(fields: HeldLinear) {
    this.rows = fields.rows;
    this.columns = fields.columns;
    this.codec = fields.codec;
    this.precisions = fields.precisions;
    this.bytes = fields.bytes;
    this.paddedColumns = fields.paddedColumns;
    this.layout = fields.layout;
    this.owner = fields.owner;
    this.ranges = fields.ranges;
  }
}
