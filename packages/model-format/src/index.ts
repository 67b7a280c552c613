/**
 * Reads and writes nested any-precision models and reads float checkpoints (safetensors, GGUF) by range, from files, URLs
 * and Blobs, taking every file for hostile. It ignores what the tensors mean: architectures, tokenizers and arithmetic live
 * elsewhere. Read next: `open-checkpoint.ts` for the way in, `limits.ts` for what is refused.
 */

export * from "./any-precision/plane-order.js";
export * from "./checksum.js";
export * from "./gguf/config.js";
export * from "./gguf/open-gguf.js";
export * from "./gguf/quantize.js";
export * from "./gguf/types.js";
export * from "./in-memory-checkpoint.js";
export * from "./make-directory.js";
export * from "./nested/dequantize-nested.js";
export * from "./nested/layer-facts.js";
export * from "./nested/layer-sources.js";
export * from "./nested/planes.js";
export * from "./nested/quantization-config.js";
export * from "./nested/write-nested-model.js";
export * from "./numbers/bfloat16.js";
export * from "./numbers/float16.js";
export * from "./open-checkpoint.js";
export * from "./opened-checkpoint.js";
export * from "./safetensors/open-safetensors.js";
export * from "./safetensors/tensor-source.js";
export * from "./safetensors/write-safetensors.js";
export * from "./sources/blob-source.js";
export * from "./sources/byte-source.js";
export * from "./sources/bytes-source.js";
export * from "./sources/file-source.js";
export * from "./sources/map-directory.js";
export * from "./sources/model-directory.js";
export * from "./sources/path-directory.js";
export * from "./sources/url-directory.js";
export * from "./sources/url-source.js";
export * from "./text-assets.js";
