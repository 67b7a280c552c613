import { decodeSuite } from "./decode.js";
import { gemvSuite } from "./gemv.js";
import { loadSuite } from "./load.js";
import { prefillSuite } from "./prefill.js";
import { quantizeSuite } from "./quantize.js";
import type { Suite } from "./suite.js";
import { syncSuite } from "./sync.js";

/** All suites, in the order of the help. Each gets back the values of the options it added. */
export const suiteList: readonly Suite<never>[] = [
  gemvSuite,
  decodeSuite,
  prefillSuite,
  syncSuite,
  loadSuite,
  quantizeSuite,
];
