import type { Precision } from "@stepdown/core";
import { isPrecision } from "@stepdown/core";
import { refuse } from "./checks.js";
import { createHardware } from "./create-hardware.js";
import type { HardwareDescription } from "./hardware-description.js";
import { peakMacsPerSecond } from "./operator-cost.js";

/** How memory and compute of a machine compare when weights stream past. */
export interface MachineBalance {
  readonly bits: Precision;
  /** Weights that arrive per second: bandwidth · 8 / bits. */
  readonly weightsPerSecond: number;
  /** Multiply-accumulates per cycle that keep up with them, one token. */
  readonly macsPerCycleToKeepUp: number;
  /** Tokens that can share a pass over the weights before compute becomes the limit; beyond it batching is not free. */
  readonly tokensPerWeightPass: number;
}

/** The balance of a machine at a precision, tables and cache left out. */
export function machineBalance(hardware: HardwareDescription, bits: Precision): MachineBalance {
  const machine = createHardware(hardware);
  if (!isPrecision(bits)) refuse("bits", bits, "an integer from 1 to 8, 16 or 32");
  const weightsPerSecond = (machine.bandwidthBytesPerSecond * machine.weightBandwidthEfficiency * 8) / bits;
  return {
    bits,
    weightsPerSecond,
    macsPerCycleToKeepUp: weightsPerSecond / machine.frequencyHertz,
    tokensPerWeightPass: macsPerSecondForTokens(machine, bits) / weightsPerSecond,
  };
}

/** Rate of multiply-accumulates with many tokens; for bit-serial units each takes one look-up per bit. */
function macsPerSecondForTokens(hardware: HardwareDescription, bits: Precision): number {
  const { compute } = hardware;
  if (compute.kind === "bit-serial" && bits <= 8)
    return (compute.planeWeightsPerSecond * hardware.computeEfficiency) / bits;
  return peakMacsPerSecond(hardware, Number.POSITIVE_INFINITY);
}
