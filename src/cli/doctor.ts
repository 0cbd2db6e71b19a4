/** `data2vec doctor`: what this machine has, and why something is missing. */
import { arch, availableParallelism, platform } from "node:os";
import type { Command } from "commander";
import { engines, wasmSupport } from "../backend/doctor.js";
import { openBackend } from "../backend/open.js";
import { type KernelCheck, verifyKernels } from "../backend/verify.js";
import { EXIT } from "./failure.js";
import { type DeviceOptions, withDevice, withJson } from "./options.js";
import { paint, print, table } from "./terminal.js";

interface Options extends DeviceOptions {
  verify: boolean;
  json: boolean;
}

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  withJson(withDevice(command.option("--verify", "run every kernel of the engine against the reference", false)))
    .addHelpText(
      "after",
      `
Examples:
  data2vec doctor                           engines, what they found, what is missing and how to get it
  data2vec doctor --verify                  also runs every kernel of the engine that would be chosen
  data2vec doctor --verify --device wasm    the same for one engine

With --json: {"engine", "engines": [{"name", "available", "reason"}], "wasm": {"relaxedSimd", "threads"}}, and with --verify
also "kernels": [{"kernel", "ok", "difference", "error"}]. The exit code is 1 when a kernel fails.
More in docs/engines.md.`,
    )
    .action(doctor);
}

async function doctor(options: Options): Promise<void> {
  const status = await engines();
  const backend = await openBackend(options.device, options);
  let kernels: KernelCheck[] | undefined;
  try {
    if (options.verify) kernels = await verifyKernels(backend);
  } finally {
    backend.close();
  }
  if (kernels?.some(({ ok }) => !ok)) process.exitCode = EXIT.failed;
  if (options.json) {
    print(JSON.stringify({ engine: backend.name, engines: status, wasm: wasmSupport(), ...(kernels && { kernels }) }));
    return;
  }

  const green = (text: string) => paint("green", text, process.stdout);
  const red = (text: string) => paint("red", text, process.stdout);
  print(`Node ${process.version}, ${platform()} ${arch()}, ${availableParallelism()} cores`);
  print(`engine: ${backend.name} (${backend.description})`);
  for (const [i, line] of table(status.map(({ name, reason }) => [name, reason])).entries()) {
    print(`  ${status[i].available ? green("+") : red("-")} ${line}`);
  }
  if (kernels === undefined) return;
  const failed = kernels.filter(({ ok }) => !ok).length;
  print(`kernels against the reference: ${kernels.length - failed} ok, ${failed} failed`);
  for (const { kernel, ok, difference, error } of kernels) {
    const found = error ?? `largest difference ${difference!.toExponential(1)}`;
    print(`  ${ok ? green("ok    ") : red("failed")} ${kernel}: ${found}`);
  }
}
