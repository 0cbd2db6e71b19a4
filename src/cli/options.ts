/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { PRECISIONS, type Precision } from "../backend/cuda.js";
import { type EngineChoice, isEngineChoice, openBackend } from "../backend/open.js";
import { Device } from "../tensor/device.js";
import { UsageError } from "./failure.js";

/** Where a command computes. */
export interface DeviceOptions {
  device: EngineChoice;
  threads?: number;
  memoryLimit?: number;
  precision?: Precision;
}

const UNITS: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Adds `--json`. */
export function withJson(command: Command): Command {
  return command.option("--json", "write the result as JSON to stdout, everything else to stderr", false);
}

/** Adds `--device`, `--precision`, `--threads` and `--memory-limit`. */
export function withDevice(command: Command): Command {
  return command
    .option("--device <engine>", "engine that computes: auto (the best there is), cuda, cuda:1, cpu, wasm, reference", engine, "auto")
    .addOption(
      new Option(
        "--precision <name>",
        "how the engine cuda computes: f32, matrix products in tf32, or activations in bf16 (default: f32)",
      ).choices(PRECISIONS),
    )
    .option("--threads <count>", "threads that compute (default: one per core); results don't depend on it", integer(1, 256))
    .option("--memory-limit <size>", "most memory for tensors, such as 512MiB or 2GiB (default: the engine's own limit)", byteSize);
}

/** Opens the engine that was asked for; the caller closes it. */
export async function openDevice({ device, threads, memoryLimit, precision }: DeviceOptions): Promise<Device> {
  return new Device(await openBackend(device, { threads, memoryLimit, precision }));
}

/**
 * The value of an option that a command can't do without. (Commander's own required options are checked before unknown ones, so that a
 * mistyped flag would be told as a missing one.)
 */
export function needed<T>(value: T | undefined, flag: string, meaning: string): T {
  if (value === undefined) throw new UsageError(`${flag} is needed: ${meaning}`);
  return value;
}

/** Reads the name of an engine. */
function engine(text: string): EngineChoice {
  if (isEngineChoice(text)) return text;
  throw new InvalidArgumentError("Allowed choices are auto, cuda, cuda:N, cpu, wasm, reference.");
}

/** Reads a whole number within a range. */
export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+(e\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`);
  };
}

/** Reads any finite number. */
export function number(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InvalidArgumentError("It must be a number.");
}

/** Reads a number strictly between 0 and 1. */
export function fraction(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value > 0 && value < 1) return value;
  throw new InvalidArgumentError("It must be a number above 0 and below 1, such as 0.2.");
}

/** Reads a size in bytes, with or without a unit: "1073741824", "512MiB", "2g". */
export function byteSize(text: string): number {
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*$/i.exec(text) ?? [];
  const bytes = number === undefined ? 0 : Math.floor(Number(number) * UNITS[unit.toLowerCase()]);
  if (bytes >= 1 && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError("It must be a size such as 512MiB or 2GiB.");
}
