import { InvalidArgumentError, OutOfMemoryError } from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LinearMemory } from "./linear-memory.js";

function createMemory(maximumBytes?: number): LinearMemory {
  const memory = new LinearMemory(maximumBytes);
  memory.start(1024);
  return memory;
}

/** Positive: allocate so many bytes. Negative or zero: release the range of that index among those held. */
const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 300_000 }), fc.integer({ min: -20, max: 0 })), {
  maxLength: 80,
});

describe("LinearMemory", () => {
  it("gives out aligned ranges inside the memory that never overlap, and takes all of them back", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const memory = createMemory();
        const held: { start: number; bytes: number }[] = [];
        for (const step of sequence) {
          if (step > 0) held.push({ start: memory.allocate(step, "a test"), bytes: step });
          else if (held.length > 0) memory.release(held.splice(-step % held.length, 1)[0]!.start);
          const sorted = [...held].sort((one, other) => one.start - other.start);
          sorted.forEach(({ start, bytes }, index) => {
            expect(start % 64).toBe(0);
            expect(start).toBeGreaterThanOrEqual(1024);
            expect(start + bytes).toBeLessThanOrEqual(sorted[index + 1]?.start ?? memory.bytes.length - 64);
          });
        }
        for (const { start } of held) memory.release(start);
        expect(memory.usedBytes).toBe(0);
        // Joined again: everything but the static data and the guard at the end fits in one range without growth.
        const before = memory.bytes.length;
        memory.allocate(before - 1024 - 64, "a test");
        expect(memory.bytes.length).toBe(before);
      }),
      { numRuns: 40 },
    );
  });

  it("keeps what is stored when it grows", () => {
    const memory = createMemory();
    const first = memory.allocate(16, "a test");
    memory.floats[first / 4] = 42;
    const large = memory.allocate(40 << 20, "a test");
    expect(memory.floats[first / 4]).toBe(42);
    memory.floats[large / 4 + (10 << 20) - 1] = 7;
    expect(memory.floats[large / 4 + (10 << 20) - 1]).toBe(7);
  });

  it("names the sizes when memory runs out, and goes on with what is left", () => {
    const memory = createMemory(4 << 20);
    const range = memory.allocate(2 << 20, "keys");
    expect(() => memory.allocate(3 << 20, "values")).toThrow(OutOfMemoryError);
    expect(() => memory.allocate(3 << 20, "values")).toThrow(/3\.0 MiB for values .* 2\.0 MiB are in use .* 4\.0 MiB/);
    memory.allocate(1 << 20, "less");
    memory.release(range);
    memory.allocate(2 << 20, "keys again");
  });

  it("refuses limits that cannot work and ranges it did not give out", () => {
    expect(() => new LinearMemory(1000)).toThrow(InvalidArgumentError);
    expect(() => new LinearMemory(Number.NaN)).toThrow(InvalidArgumentError);
    expect(() => createMemory().release(2048)).toThrow(InvalidArgumentError);
  });
});
