/** Limits on what a tokenizer file may ask for. Files are hostile until parsed; each limit is far above every known model. */

/** Token ids, counting added tokens: the largest public vocabularies have 262,144. Bounds the id table a file can demand. */
export const MAXIMUM_VOCABULARY_SIZE: number = 1 << 22;

/** Added tokens: Whisper and Falcon have some two thousand, reserved ranges reach a few ten thousand. */
export const MAXIMUM_ADDED_TOKENS: number = 1 << 18;

/** UTF-16 units of one token. Real ones are words or runs of spaces; long ones only make the splitter slow. */
export const MAXIMUM_TOKEN_LENGTH: number = 1 << 14;

/** Nesting of Sequence components (normalizers in normalizers …). Real files nest once; recursion must end. */
export const MAXIMUM_COMPONENT_DEPTH: number = 16;

/** UTF-16 units of a chat template; the longest public ones stay below 30,000. */
export const MAXIMUM_TEMPLATE_LENGTH: number = 1 << 20;

/** Distinct words whose ids are remembered; enough for the vocabulary of a long document, some megabytes at most. */
export const WORD_CACHE_ENTRIES = 32_768;

/** UTF-16 units above which a word is not remembered: long words hardly come twice. */
export const WORD_CACHE_MAXIMUM_LENGTH = 128;

/** UTF-16 units from which a word is cut at merge boundaries first; below, building the table does not pay. */
export const BOUNDARY_MINIMUM_LENGTH = 128;
