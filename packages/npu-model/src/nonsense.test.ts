import { InvalidArgumentError } from "@stepdown/core";
import { describe, expect, it } from "vitest";
import { PHYSICAL_PROFILE } from "./cost-profile.js";
import { createHardware } from "./create-hardware.js";
import { sweepDesigns } from "./design-space.js";
import { NPU_S } from "./hardware-presets.js";
import { SMOLLM2_135M } from "./model-shapes.js";
import { priceForward } from "./price-forward.js";
import { priceGeneration } from "./price-generation.js";
import { priceSpeculation } from "./speculation.js";
import { scheduledTrace, uniformTrace } from "./traces.js";

const forward = { hardware: NPU_S, model: SMOLLM2_135M, precision: 4 };
const workload = { promptTokens: 10, newTokens: 4 };
const refused = (action: () => unknown, message: RegExp): void => {
  expect(action).toThrow(InvalidArgumentError);
  expect(action).toThrow(message);
};
/** Values of any type, as they come out of files and forms. */
const as = (value: unknown): never => value as never;

describe("nonsense is refused, naming key, value and what is allowed", () => {
  it.each([
    [{ bandwidthBytesPerSecond: 0 }, /hardware\.bandwidthBytesPerSecond is 0; allowed: a number above 0/],
    [{ bandwidthBytesPerSecond: -32e9 }, /bandwidthBytesPerSecond is -32000000000/],
    [{ bandwidthBytesPerSecond: Number.NaN }, /bandwidthBytesPerSecond is NaN/],
    [{ bandwidthBytesPerSecond: "32e9" }, /bandwidthBytesPerSecond is "32e9"/],
    [{ frequencyHertz: Number.POSITIVE_INFINITY }, /frequencyHertz is Infinity; allowed: a finite number above 0/],
    [{ computeEfficiency: 1.2 }, /computeEfficiency is 1\.2; allowed: a number above 0, at most 1/],
    [{ headBits: 12 }, /headBits is 12; allowed: an integer from 1 to 8, 16, 32, 0/],
    [{ headBits: -1 }, /headBits is -1/],
    [{ keyValueBits: 7.5 }, /keyValueBits is 7\.5; allowed: an integer from 1 to 32/],
    [{ weightBufferBytes: 0 }, /weightBufferBytes is 0/],
    [{ picojoulesPerByte: -1 }, /picojoulesPerByte is -1; allowed: a finite number, 0 or more/],
    [{ compute: { kind: "macs", macsPerCycle: 0 } }, /hardware\.compute\.macsPerCycle is 0/],
    [{ compute: { kind: "quantum" } }, /hardware\.compute\.kind is "quantum"; allowed: "macs", "array", "bit-serial"/],
    [{ compute: { kind: "macs", macs: 4096 } }, /hardware\.compute\.macs is 4096; allowed: no such key/],
    [
      { compute: { kind: "array", matrix: { tokens: 16, inputs: 0, outputs: 16 }, vector: { inputs: 1, outputs: 1 } } },
      /hardware\.compute\.matrix\.inputs is 0/,
    ],
    [
      { bandwith: 32e9 },
      /hardware\.bandwith is 32000000000; allowed: no such key; known keys: .*bandwidthBytesPerSecond/,
    ],
  ])("hardware with %j", (change, message) => {
    refused(() => createHardware({ ...NPU_S, ...change }), message);
    // A description made by spreading is checked where it is used.
    refused(() => priceForward({ ...forward, hardware: as({ ...NPU_S, ...change }) }), message);
  });

  it.each([
    [{ precision: -3 }, /precision is -3; allowed: an integer from 1 to 8, 16 or 32, or a list/],
    [{ precision: 3.5 }, /precision is 3\.5/],
    [{ precision: 0 }, /precision is 0/],
    [{ precision: 12 }, /precision is 12/],
    [{ precision: "4" }, /precision is "4"/],
    [{ precision: [4, 3] }, /precision is a list of 2; allowed: a list of 30/],
    [{ precision: Array.from({ length: 30 }, (_, i) => (i === 7 ? 2.5 : 3)) }, /precision\[7\] is 2\.5/],
    [{ tokens: 0 }, /tokens is 0/],
    [{ contextTokens: -1 }, /contextTokens is -1/],
    [{ contextTokens: Number.NaN }, /contextTokens is NaN/],
    [{ batch: 1.5 }, /batch is 1\.5/],
    [{ codec: { codec: "codebook", groupCount: 0 } }, /codec\.groupCount is 0/],
    [{ codec: { codec: "gguf" } }, /codec\.codec is "gguf"; allowed: "plain", "codebook", "uniform", "bcq"/],
    [{ codec: { codec: "bcq", groupSize: 0 } }, /codec\.groupSize is 0/],
    [{ codec: { codec: "bcq", groupSize: 128 } }, /codec\.groupSize is 128; allowed: a divisor .* here of 576/],
    [{ codec: { codec: "bcq", groupSize: 64, scaleBits: 4 } }, /codec\.scaleBits is 4; allowed: 8 or 16/],
    [{ profile: { ...PHYSICAL_PROFILE, overlap: "none" } }, /profile\.overlap is "none"/],
    [{ profile: { ...PHYSICAL_PROFILE, tables: 1 } }, /profile\.tables is 1; allowed: true or false/],
    [{ model: { ...SMOLLM2_135M, keyValueHeads: 4 } }, /model\.keyValueHeads is 4; allowed: a divisor of heads/],
    [{ model: { ...SMOLLM2_135M, linears: [] } }, /model\.linears is an empty list/],
    [{ model: undefined }, /model is undefined/],
  ])("a forward pass with %j", (change, message) => {
    refused(() => priceForward(as({ ...forward, ...change })), message);
  });

  it("traces", () => {
    const price = (trace: unknown): unknown => priceGeneration({ ...forward, trace: as(trace) });
    refused(() => price({ promptTokens: 5, prefill: 4, decode: [] }), /trace\.decode is an empty list/);
    refused(() => price({ promptTokens: 0, prefill: 4, decode: [4] }), /trace\.promptTokens is 0/);
    refused(() => price({ promptTokens: 5, prefill: 4.5, decode: [4] }), /trace\.prefill is 4\.5/);
    refused(() => price({ promptTokens: 5, prefill: 4, decode: [4, 9] }), /trace\.decode\[1\] is 9/);
    refused(() => price(undefined), /trace is undefined/);
    refused(() => uniformTrace({ promptTokens: 5, newTokens: 1 }, 4), /workload\.newTokens is 1/);
    refused(() => scheduledTrace(workload, as("4,3@85"), 4), /schedule is "4,3@85"/);
  });

  it("speculation and sweeps", () => {
    const speculation = { ...forward, draft: 2, target: 4, draftTokens: 3, acceptance: 0.8 };
    refused(
      () => priceSpeculation({ ...speculation, acceptance: 1.1 }),
      /acceptance is 1\.1; allowed: a number from 0 to 1/,
    );
    refused(() => priceSpeculation({ ...speculation, draftTokens: 0 }), /draftTokens is 0/);
    refused(() => priceSpeculation({ ...speculation, target: 4.5 }), /target is 4\.5/);
    const sweep = { ...forward, workload, bandwidthsBytesPerSecond: [1e9], macsPerCycle: [64], bits: [4] };
    refused(() => sweepDesigns({ ...sweep, bits: [] }), /bits is an empty list/);
    refused(() => sweepDesigns({ ...sweep, bandwidthsBytesPerSecond: [1e9, 0] }), /bandwidthsBytesPerSecond\[1\] is 0/);
    refused(
      () => sweepDesigns({ ...sweep, workload: { promptTokens: 5, newTokens: 3_000_000 } }),
      /decode passes of the sweep .* is 3000000/,
    );
  });
});
