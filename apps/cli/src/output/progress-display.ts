/** Progress on standard error: a bar on a terminal, a plain line now and then elsewhere. */
import type { Progress } from "@stepdown/core";
import type { ProgressDisplay } from "../command-context.js";

const BAR_CELLS = 28;
/** A pipe or a log file gets one line per this share of a phase. */
const PLAIN_LINE_SHARE = 0.25;
/** A terminal is redrawn at most this often, in milliseconds. */
const REDRAW_INTERVAL = 80;

/** Phases shorter than this many milliseconds leave no plain lines behind. */
const QUIET_MILLISECONDS = 1500;

/** A display on a stream; `now` is the clock in milliseconds, replaceable for tests. */
export function createProgressDisplay(
  stream: { write(text: string): unknown; isTTY?: boolean; columns?: number },
  now: () => number = () => performance.now(),
): ProgressDisplay {
  let phase = "";
  let startedAt = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let nextShare = 0;
  let barShown = false;

  function clearBar(): void {
    if (barShown) stream.write("\r\x1b[K");
    barShown = false;
  }

  function onProgress(progress: Progress): void {
    const time = now();
    if (progress.phase !== phase) {
      phase = progress.phase;
      startedAt = time;
      nextShare = PLAIN_LINE_SHARE;
      drawnAt = Number.NEGATIVE_INFINITY;
    }
    const share = progress.total === undefined || progress.total === 0 ? undefined : progress.done / progress.total;
    if (stream.isTTY) {
      if (time - drawnAt < REDRAW_INTERVAL && share !== 1) return;
      drawnAt = time;
      const line = `${phase} ${bar(share)} ${amount(progress)}${progress.detail === undefined ? "" : `  ${progress.detail}`}`;
      stream.write(`\r\x1b[K${line.slice(0, (stream.columns ?? 80) - 1)}`);
      barShown = true;
      return;
    }
    if (share === undefined || time - startedAt < QUIET_MILLISECONDS || share < nextShare) return;
    while (nextShare <= share) nextShare += PLAIN_LINE_SHARE;
    stream.write(`${phase}: ${amount(progress)}\n`);
  }

  return { onProgress, finish: clearBar };
}

function bar(share: number | undefined): string {
  const filled = share === undefined ? 0 : Math.round(Math.min(1, share) * BAR_CELLS);
  return `${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)}`;
}

function amount({ done, total, unit }: Progress): string {
  const percent = total === undefined || total === 0 ? "" : `${Math.floor((100 * done) / total)} % · `;
  return `${percent}${quantity(done)}${total === undefined ? "" : ` of ${quantity(total)}`} ${unit}`;
}

function quantity(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  return String(Math.round(value));
}
