import type { RotaryConfiguration } from "../configuration/decoder-configuration.js";

/**
 * Angular frequencies of rotary embedding in radians per position, `[dimension / 2]`, float64:
 * `θ^(−2i / dimension)`, changed as the scaling says.
 */
export function rotaryFrequencies(rotary: RotaryConfiguration): Float64Array {
  const { theta, dimension, scaling } = rotary;
  const frequencies = Float64Array.from({ length: dimension / 2 }, (_, i) => theta ** ((-2 * i) / dimension));
  switch (scaling.type) {
    case "default":
      return frequencies;
    case "linear":
      return frequencies.map((frequency) => frequency / scaling.factor);
    case "divisors":
      return frequencies.map((frequency, i) => frequency / (scaling.divisors[i] as number));
    case "llama3": {
      // Turns a frequency makes within the original context decide: few are stretched, many kept (Llama 3.1).
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContextLength } = scaling;
      return frequencies.map((frequency) => {
        const turns = (originalContextLength * frequency) / (2 * Math.PI);
        if (turns > high) return frequency;
        if (turns < low) return frequency / factor;
        const smooth = (turns - low) / (high - low);
        return (1 - smooth) * (frequency / factor) + smooth * frequency;
      });
    }
    default:
      return scaling satisfies never;
  }
}
