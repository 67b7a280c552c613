/** The command line as a whole: suites, `compare`, help, exit codes. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import type { BenchIo } from "./bench-io.js";
import { addCompareCommand } from "./compare/compare-command.js";
import { describeFailure } from "./failure.js";
import { systemClock } from "./measurement/clock.js";
import { createLoadWatch } from "./measurement/load-watch.js";
import { addCommonOptions, type CommonOptions } from "./options/common.js";
import { withExamples } from "./options/examples.js";
import { formatReport } from "./report/format-report.js";
import { formatHtml } from "./report/html/format-html.js";
import { startMachineReport } from "./report/machine.js";
import { DOCUMENT_VERSION, type ResultDocument } from "./report/result-document.js";
import { createSession } from "./session.js";
import { addQualityCommand } from "./suites/quality.js";
import type { Suite } from "./suites/suite.js";
import { suiteList } from "./suites/suite-list.js";

const DEFAULT_NAME = "stepdown-bench";

/** Runs one command line (without `node` and the script's name) and returns the exit code: 0, 1, 2 or 130. */
export async function runBench(argv: readonly string[], io: BenchIo): Promise<number> {
  const name = io.name ?? DEFAULT_NAME;
  try {
    await createProgram(name, io).parseAsync([...argv], { from: "user" });
    return 0;
  } catch (thrown) {
    const failure = describeFailure(thrown, io.signal.aborted);
    if (failure === undefined) return 0;
    io.tell(`${name}: ${failure.message}\n`);
    if (argv.includes("--json")) {
      io.print(`${JSON.stringify({ error: { code: failure.code, message: failure.message } })}\n`);
    }
    return failure.exitCode;
  }
}

function createProgram(name: string, io: BenchIo): Command {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const program = new Command(name)
    .description("Measure Stepdown side by side: interleaved, repeated, with quartiles and intervals.")
    .version(manifest.version, "--version", "show the version")
    .helpOption("-h, --help", "show help")
    .showHelpAfterError("(add --help for the options and examples)")
    .exitOverride()
    .configureOutput({ writeOut: io.print, writeErr: () => {} });
  for (const suite of suiteList) addSuite(program, suite, io);
  addQualityCommand(program, io);
  addCompareCommand(program, io);
  return program;
}

function addSuite(program: Command, suite: Suite<never>, io: BenchIo): void {
  const command = program.command(suite.name).description(suite.description);
  suite.addOptions(command);
  addCommonOptions(command, suite.defaults);
  withExamples(command, suite.examples);
  command.action(async (options: CommonOptions) => {
    io.signal.throwIfAborted();
    const finishReport = startMachineReport();
    const session = createSession(io, options, createLoadWatch(systemClock));
    await suite.run(session, options as never);
    const machine = finishReport([...session.engines.values()], session.childTime);
    const document: ResultDocument = {
      specificationVersion: DOCUMENT_VERSION,
      machine,
      notes: session.remarks,
      rows: session.rows,
    };
    if (options.html !== undefined) {
      await writeFile(options.html, await formatHtml(document));
      session.note(`report written to ${options.html}`);
    }
    io.print(options.json ? `${JSON.stringify(document)}\n` : formatReport(document));
  });
}
