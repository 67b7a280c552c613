import { describeScheduler } from "@stepdown/testing";
import { describe, it } from "vitest";
import { createFixedScheduler } from "./fixed-scheduler.js";
import { createPhaseAwareScheduler } from "./phase-aware-scheduler.js";
import { createSchedulerFromText } from "./scheduler-from-text.js";
import { createStaticScheduler } from "./static-scheduler.js";

const runner = { describe, it };
const options = { nonIncreasing: true };

describeScheduler("fixed", () => createFixedScheduler({ precision: 4 }), runner, options);
describeScheduler("fixed with a prefill", () => createFixedScheduler({ precision: 3, prefill: 8 }), runner, options);
describeScheduler("phase-aware", () => createPhaseAwareScheduler({ prefill: 16, decode: 2 }), runner, options);
const steps = [
  { precision: 4, from: 0 },
  { precision: 3, from: 85 },
];
describeScheduler("static", () => createStaticScheduler({ steps }), runner, options);
for (const text of ["4", "8:4,3@85", "4,3@50%", "4,3@0", "4,3@40,2@80%", "8,7@1,6@2,5@3,4@4,3@5,2@6,1@7"])
  describeScheduler(`schedule ${text}`, () => createSchedulerFromText(text), runner, options);
