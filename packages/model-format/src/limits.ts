/**
 * Every limit that a reader of this package holds against a file, with the reason for it.
 *
 * Files come from strangers. Each limit is far above any model known today and far below what would exhaust memory or time;
 * a file beyond one is refused with `InvalidFileError` before anything is allocated for it.
 */

/** Bytes of a safetensors header. The reference implementation's own limit; a trillion-parameter model needs about 10 MB. */
export const MAXIMUM_SAFETENSORS_HEADER_BYTES = 100_000_000;

/** Bytes of a GGUF header. It holds the vocabulary with merges: 20 MB for the largest known ones, so 128 MiB is generous. */
export const MAXIMUM_GGUF_HEADER_BYTES: number = 128 * 2 ** 20;

/** Bytes of the first read of a GGUF header; grown fourfold while the header goes on. Small models need one read. */
export const FIRST_GGUF_READ_BYTES: number = 2 ** 20;

/** Tensors in one file. Mixtures of a thousand experts have some 200 000; each entry costs us about 300 bytes of memory. */
export const MAXIMUM_TENSORS_PER_FILE = 2_000_000;

/** Dimensions of a tensor. Frameworks stop at 8; more only multiplies work. */
export const MAXIMUM_RANK = 8;

/** Size of one dimension. The largest real one is a flattened expert stack of some 2^31; products are checked apart. */
export const MAXIMUM_DIMENSION: number = 2 ** 40;

/** Characters of a tensor or metadata name. Real names have at most 150; also keeps error messages readable. */
export const MAXIMUM_NAME_LENGTH = 1024;

/** Bytes of one GGUF string. A chat template has up to 100 kB; 16 MiB leaves room for embedded documents. */
export const MAXIMUM_GGUF_STRING_BYTES: number = 16 * 2 ** 20;

/** Key-value pairs of a GGUF file. Real files have up to 200. */
export const MAXIMUM_GGUF_KEYS = 100_000;

/** Metadata values of a GGUF file, array members counted. Vocabulary, types, scores and merges of 1 M tokens are 4 M. */
export const MAXIMUM_GGUF_VALUES = 16_000_000;

/** Depth of arrays in arrays in GGUF metadata. Nobody nests twice; unbounded recursion would exhaust the stack. */
export const MAXIMUM_GGUF_ARRAY_DEPTH = 4;

/** Largest `general.alignment` of a GGUF file. 32 is usual, page sizes up to 64 KiB are plausible. */
export const MAXIMUM_GGUF_ALIGNMENT: number = 2 ** 16;

/** Files that share a model. The largest published model has some 400. */
export const MAXIMUM_SHARDS = 10_000;

/** Bytes of a JSON file beside the weights (configuration, index, tokenizer). The largest known tokenizer.json has 40 MB. */
export const MAXIMUM_JSON_BYTES: number = 256 * 2 ** 20;

/** Depth of JSON in a safetensors header. The format needs 3; deeper nesting is an attack on recursive parsers. */
export const MAXIMUM_HEADER_DEPTH = 8;

/** Length of a file name inside a model directory; the limit of common file systems. */
export const MAXIMUM_FILE_NAME_LENGTH = 255;

/** Nested layers of a model. The largest mixtures of experts have some 70 000; we keep about 4 kB for each. */
export const MAXIMUM_NESTED_LAYERS = 100_000;

/** Decoder blocks that a GGUF file may declare. The deepest known language model has under 200; tensors are named per block. */
export const MAXIMUM_BLOCKS = 10_000;

/** Heads, and rotary frequencies per head, that a GGUF file may declare; bounds the names made per head. */
export const MAXIMUM_HEADS = 65_536;

/** Bytes read at a time when a whole file is streamed (checksums): an abort takes effect between two reads. */
export const STREAM_CHUNK_BYTES: number = 8 * 2 ** 20;

/** Bytes asked of the operating system in one read; single reads of 2 GiB and more fail on Linux and macOS. */
export const MAXIMUM_READ_BYTES: number = 2 ** 30;

/** Bytes of one tensor or plane that is read whole. JavaScript engines cap one buffer at about 8 GiB. */
export const MAXIMUM_TENSOR_BYTES: number = 8 * 2 ** 30;
