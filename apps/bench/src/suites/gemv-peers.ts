/** Single products in other people's engines. */
import { productBytes } from "../onnx/encode-model.js";
import type { Peers } from "../peers/start-peers.js";
import type { Session, SuiteVariant } from "../session.js";

/** Widths and block sizes of `MatMulNBits` that are measured. */
const WIDTHS = [2, 4];
const BLOCK_SIZES = [32, 128];
/** ONNX Runtime's float32 product. */
const FLOAT = 32;
/** A file holds at most 2 GB; what is made of it while it loads takes several times as much. */
const MOST_COPY_BYTES = 1e9;
/** On WebAssembly quantized products are far from any limit of the memory, and many copies would take minutes. */
const MOST_WEB_COPY_BYTES = 1e8;

/** Variants of all peers that multiply: float32, and the widths among `bits`. `coldBytes` 0: one matrix. */
export async function productVariants(
  { rows, columns }: { rows: number; columns: number },
  bits: readonly number[],
  coldBytes: number,
  threads: readonly number[],
  peers: Peers,
  session: Session,
): Promise<SuiteVariant[]> {
  const quantized = WIDTHS.filter((width) => bits.includes(width)).flatMap((width) =>
    BLOCK_SIZES.filter((size) => columns % size === 0).map((blockSize) => ({ bits: width, blockSize })),
  );
  const variants: SuiteVariant[] = [];
  for (const peer of peers.list) {
    for (const kind of [{ bits: FLOAT, blockSize: columns }, ...quantized]) {
      for (const count of threads) {
        const bytes = productBytes({ rows, columns, ...kind });
        const most = peer.name === "onnxruntime-web" ? MOST_WEB_COPY_BYTES : MOST_COPY_BYTES;
        const copies = Math.max(1, Math.ceil(Math.min(coldBytes, most) / bytes));
        const codec = kind.bits === FLOAT ? "MatMul-f32" : `MatMulNBits-${kind.bits}-block-${kind.blockSize}`;
        const subject = { kind: "product", rows, columns, ...kind, copies, threads: count } as const;
        const opened = await peer.open({ ...subject, seed: session.options.seed }, codec);
        if (opened === undefined) continue;
        variants.push({
          engine: peer.name,
          threads: count,
          codec,
          bits: kind.bits,
          ...(kind.bits === FLOAT ? {} : { groupSize: kind.blockSize }),
          bytes,
          work: rows * columns,
          workUnit: "weights",
          busy: peer.busy(count),
          runRemotely: opened.run,
        });
      }
    }
  }
  return variants;
}
