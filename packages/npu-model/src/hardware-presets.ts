import { createHardware } from "./create-hardware.js";
import type { HardwareDescription } from "./hardware-description.js";

/**
 * The machines of the literature. Which figure is published, fitted or guessed: docs/npu-model.md, "Constants".
 */

const KIBIBYTE = 1024;

/** The smaller machine of PMPD's evaluation: 4,096 MACs at 1 GHz, 32 GB/s. Buffers and lanes are guesses. */
export const NPU_S: HardwareDescription = createHardware({
  name: "NPU-S",
  compute: { kind: "macs", macsPerCycle: 4096 },
  bandwidthBytesPerSecond: 32e9,
  memoryLatencySeconds: 100e-9,
  weightBufferBytes: 2 * 256 * KIBIBYTE,
  activationBufferBytes: 512 * KIBIBYTE,
  specialFunctionLanes: 64,
});

/** The larger machine of PMPD's evaluation: 16,384 MACs at 1 GHz, 32 GB/s. Buffers and lanes are guesses. */
export const NPU_L: HardwareDescription = createHardware({
  name: "NPU-L",
  compute: { kind: "macs", macsPerCycle: 16_384 },
  bandwidthBytesPerSecond: 32e9,
  memoryLatencySeconds: 100e-9,
  weightBufferBytes: 2 * 512 * KIBIBYTE,
  activationBufferBytes: 1024 * KIBIBYTE,
  specialFunctionLanes: 128,
});

/**
 * FlightLLM's public simulator configured for a VHK158 board: 4 cores at 225 MHz, 32 HBM channels.
 *
 * The simulator divides its times by 3.2; read here as 4 cores at 80 % (a guess), which scales compute and bandwidth
 * alike: that is the efficiency 0.8, and the 0.8 inside both bandwidth efficiencies (0.7 for weights that stay in their
 * channel, 0.35 for accesses across channels, taken for the cache).
 */
export const FLIGHTLLM_VHK158: HardwareDescription = createHardware({
  name: "FlightLLM-VHK158",
  frequencyHertz: 225e6,
  compute: {
    kind: "array",
    cores: 4,
    matrix: { tokens: 128, inputs: 16, outputs: 2 },
    vector: { inputs: 16, outputs: 64 },
  },
  computeEfficiency: 0.8,
  bandwidthBytesPerSecond: 819.2e9,
  weightBandwidthEfficiency: 0.7 * 0.8,
  cacheBandwidthEfficiency: 0.35 * 0.8,
  specialFunctionLanes: 16 * 4,
  headBits: "body",
  keyValueBits: 8,
  activationBits: 8,
  weightDensity: 0.7,
  promptRoundingTokens: 128,
  contextRoundingTokens: 16,
  picojoulesPerByte: 31.2,
});

/** The presets by name. */
export const hardwarePresets: ReadonlyMap<string, HardwareDescription> = new Map(
  [NPU_S, NPU_L, FLIGHTLLM_VHK158].map((hardware) => [hardware.name, hardware]),
);
