/**
 * Arrays of random bits and of random floating-point patterns, made 32 bits at a time. Numbers have random signs and
 * fractions and one of four neighbouring exponents, so that they are finite and never denormal: denormal operands are many
 * times slower on most processors and would time the operands, not the kernel.
 */
import type { RandomNumbers } from "../random-numbers.js";

/** Exponents of a pattern are chosen from this many, the largest given by the caller. */
const EXPONENT_CHOICES = 4;
/** Half precision: bias of the exponent and its smallest normal field. */
const HALF_BIAS = 15;
const SMALLEST_NORMAL = 1;
const FLOAT_BIAS = 127;

/** Random bytes. */
export function randomBytes(length: number, random: RandomNumbers): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.word();
  return new Uint8Array(words.buffer, 0, length);
}

/** Random half-precision numbers with a root mean square of about `0.88 · 2^exponent`, two patterns per 32-bit word. */
export function randomHalves(length: number, exponent: number, random: RandomNumbers): Uint16Array {
  const lowest = Math.max(SMALLEST_NORMAL, exponent + HALF_BIAS - EXPONENT_CHOICES + 1) * 0x0400_0400;
  const words = new Uint32Array(Math.ceil(length / 2));
  for (let i = 0; i < words.length; i++) {
    const word = random.word();
    words[i] = (word & 0x83ff_83ff) + (lowest + (word & 0x0c00_0c00));
  }
  return new Uint16Array(words.buffer, 0, length);
}

/** The same as float32 numbers. */
export function randomFloats(length: number, exponent: number, random: RandomNumbers): Float32Array {
  const lowest = Math.max(SMALLEST_NORMAL, exponent + FLOAT_BIAS - EXPONENT_CHOICES + 1) * 0x0080_0000;
  const words = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    const word = random.word();
    words[i] = (word & 0x807f_ffff) + (lowest + (word & 0x0180_0000));
  }
  return new Float32Array(words.buffer);
}

/** The exponent at which the weights of a layer with so many columns keep activations at their size: `2^e ≈ columns^(−1/2)`. */
export function exponentFor(columns: number): number {
  return Math.round(-Math.log2(columns) / 2);
}
