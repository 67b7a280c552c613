// Worker entry when the package runs from its TypeScript sources (tests of this repository): teaches the thread to load
// TypeScript, which `--import tsx` in a worker's options does not do for the entry file on Node 20.
import { register } from "tsx/esm/api";

register();
await import("../quality-worker.ts");
