/** Exit codes, and how an error is told. */
import { CommanderError } from "commander";
import { paint, say } from "./terminal.js";

/** Exit codes of the command line; `stopped` is Ctrl-C with the state saved. */
export const EXIT = { done: 0, failed: 1, usage: 2, stopped: 130 } as const;

/** The command was used wrongly: which option, and what it accepts. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** How commander's errors of usage are told. */
export function writeUsageError(text: string, write: (text: string) => void): void {
  write(text.replace(/^error:/, paint("red", "error:")));
}

/** Tells an error on stderr and returns the exit code that goes with it. `DATA2VEC_DEBUG=1` (or 2) adds the stack. */
export function report(error: unknown): number {
  // Commander has told its own errors; help and version come as errors with exit code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  say(`${paint("red", "error:")} ${message}`);
  if (["1", "2"].includes(process.env.DATA2VEC_DEBUG ?? "")) say(stack ?? "");
  else if (isDefect(error)) say("this is a defect of data2vec; DATA2VEC_DEBUG=1 shows where it happened");
  // By name, so that help needs not wait for what reads configurations.
  return error instanceof UsageError || (error as Error).name === "ConfigError" ? EXIT.usage : EXIT.failed;
}

/** Errors that no input should cause. */
function isDefect(error: unknown): boolean {
  return !(error instanceof Error) || error instanceof TypeError || error instanceof ReferenceError;
}
