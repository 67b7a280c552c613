#!/usr/bin/env node
import { runStepdown } from "./program.js";

process.exitCode = await runStepdown(process.argv.slice(2));
