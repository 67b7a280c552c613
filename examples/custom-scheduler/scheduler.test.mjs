import { describe, it } from "node:test";
import { describeScheduler } from "@stepdown/testing";
import { createScheduler } from "./scheduler.mjs";

describeScheduler("staircase", () => createScheduler({ every: "4" }), { describe, it });
