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
  const args = process.argv.slice(2);
  const program = await createProgram(args);
  await program.parseAsync(args, { from: "user" });
} catch (error) {
  process.exitCode = report(error);
}
