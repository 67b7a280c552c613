/** What is known of the machine, and how busy others kept it. */
import { readFileSync } from "node:fs";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import type { EngineReport, MachineReport } from "./result-document.js";

/** Cache levels that Linux may list. */
const CACHE_INDICES = [0, 1, 2, 3, 4];

/** Size of the largest cache of the first core, where Linux tells. */
export function lastLevelCacheBytes(): number | undefined {
  const sizes = CACHE_INDICES.map((index) => {
    try {
      const text = readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${index}/size`, "utf8").trim();
      const match = /^(\d+)([KMG]?)$/.exec(text);
      return match === null ? 0 : Number(match[1]) * { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match[2] as "K"];
    } catch {
      return 0;
    }
  });
  const largest = Math.max(...sizes);
  return largest > 0 ? largest : undefined;
}

/** Starts watching the machine; the returned function ends it and gives the report. Time of child processes is ours too. */
export function startMachineReport(): (engines: readonly EngineReport[], childTime?: number) => MachineReport {
  const startedAt = new Date();
  const before = { load: load(), busy: busyMilliseconds(), own: ownMilliseconds(), wall: performance.now() };
  return (engines, childTime = 0) => {
    const passed = performance.now() - before.wall;
    const others = busyMilliseconds() - before.busy - (ownMilliseconds() - before.own) - childTime;
    const cores = cpus();
    return {
      cpu: cores[0]?.model.trim() ?? "unknown",
      cores: cores.length,
      memoryBytes: totalmem(),
      lastLevelCacheBytes: lastLevelCacheBytes() ?? null,
      platform: `${platform()} ${release()} ${process.arch}`,
      node: process.version,
      startedAt: startedAt.toISOString(),
      loadAverageBefore: before.load,
      loadAverageAfter: load(),
      foreignCores: Math.max(0, others / passed),
      engines,
    };
  };
}

/** Time that all cores together were busy since they started. */
function busyMilliseconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

function ownMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Windows has no load average; Node gives zeros there. */
function load(): number | null {
  return platform() === "win32" ? null : (loadavg()[0] as number);
}
