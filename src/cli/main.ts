#!/usr/bin/env node
/** Entry of the command line: runs the command and turns its end into an exit code. */
import { report } from "./failure.js";
import { createProgram } from "./program.js";
import { ignoreBrokenPipes } from "./terminal.js";

ignoreBrokenPipes();
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => process.exit(report(error)));
}
try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
