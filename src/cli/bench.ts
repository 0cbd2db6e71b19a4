/** `data2vec bench`: how fast kernels and whole steps are, against the machine's peak in the same run. */
import { fileURLToPath } from "node:url";
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { BENCH_ENGINES, type BenchEngine, benchGemm, type GemmShape } from "../backend/bench-gemm.js";
import { benchKernels } from "../backend/bench-kernels.js";
import { openBackend } from "../backend/open.js";
import { profiled, profileLines } from "../backend/profile.js";
import type { PresetName } from "../modalities/modality.js";
import { Device } from "../tensor/device.js";
import { benchStep } from "../train/bench-step.js";
import { loadConfig } from "../train/config.js";
import { MODALITY_NAMES, type ModalityName, modalityNamed } from "./modalities.js";
import { byteSize, integer, withJson } from "./options.js";
import { formatCount, formatPercent, print, say, table } from "./terminal.js";

interface Options {
  device: BenchEngine;
  threads?: number[];
  shape?: GemmShape[];
  milliseconds: number;
  modality: ModalityName;
  preset: PresetName;
  batch?: number;
  steps: number;
  set: string[];
  memoryLimit?: number;
  json: boolean;
}

const BENCHMARKS = ["gemm", "attention", "kernels", "step"] as const;
type Benchmark = (typeof BENCHMARKS)[number];
/** Steps before those that are timed. */
const WARM_UP = 2;

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command
    .addArgument(new Argument("[benchmark...]", "what to measure (default: gemm, kernels and step)").choices(BENCHMARKS))
    .addOption(new Option("--device <engine>", "engine that is measured").choices(BENCH_ENGINES).default("wasm"))
    .option("--threads <list>", "numbers of threads, such as 1,2 (default: gemm one and one per core, else one per core)", threadList)
    .option(
      "--shape <MxNxK>",
      "gemm: shape of the product, such as 512x768x3072; may be repeated (default: ViT-B's and the demo's)",
      shapes,
    )
    .option("--milliseconds <time>", "gemm, attention, kernels: time for each row", integer(10, 600_000), 500)
    .addOption(new Option("--modality <name>", "step: kind of data").choices(MODALITY_NAMES).default(MODALITY_NAMES[0]))
    .addOption(new Option("--preset <name>", "step: settings").choices(["tiny", "small", "base", "large"]).default("tiny"))
    .option("--batch <size>", "step: samples in a pass (default: the preset's, passes of a step left as they are)", integer(1, 65_536))
    .option("--steps <count>", "step: steps that are timed", integer(1, 10_000), 10)
    .option("--set <key=value...>", "step: change settings", [])
    .option("--memory-limit <size>", "step: most memory for tensors, such as 4GiB (default: the engine's own limit)", byteSize);
  withJson(command)
    .addHelpText(
      "after",
      `
Examples:
  data2vec bench gemm
  data2vec bench attention kernels --device cpu
  data2vec bench step --preset base --batch 4 --set train.accumulate=1 train.activationCheckpointing=true
  data2vec bench gemm --threads 1 --shape 512x768x768 --shape 512x768x3072 --json

gemm is the matrix product of an engine, y (M x N) = x (M x K) · weightᵀ. Its peak is a loop of multiply-adds on registers, as wide as
the engine's, on as many threads; both take turns, so that a busy machine slows both. kernels measures every kernel of weight against
that peak, or against the speed of a copy that no cache holds: those that find their data in a cache may pass 100 %. step is a whole
pretraining step on the shipped examples, from the batch in memory to the teacher's update, with the most memory that was in use.
With --json, one line for each row; of gemm {"engine", "m", "n", "k", "threads", "gflops", "peakGflops"}.`,
    )
    .action(bench);
}

async function bench(benchmarks: Benchmark[], options: Options): Promise<void> {
  const wanted = benchmarks.length > 0 ? benchmarks : (["gemm", "kernels", "step"] as const);
  say("other work on this machine shows in the numbers");
  for (const benchmark of wanted) {
    if (benchmark === "gemm") await gemm(options);
    else if (benchmark === "step") await step(options);
    else await kernels(benchmark === "attention" ? "attention" : "", options);
  }
}

async function gemm({ device, threads, shape, milliseconds, json }: Options): Promise<void> {
  const rows = await benchGemm({ engine: device, threads, shapes: shape, milliseconds });
  if (json) {
    for (const { engine, m, n, k, threads, gflops, peakGflops } of rows) {
      print(JSON.stringify({ engine, m, n, k, threads, gflops, peakGflops }));
    }
    return;
  }
  const cells = rows.map(({ engine, m, n, k, threads, gflops, peakGflops }) => [
    ...[engine, String(m), String(n), String(k), String(threads)],
    ...[gflops.toFixed(1), peakGflops.toFixed(1), formatPercent(gflops / peakGflops)],
  ]);
  const heading = ["engine", "m", "n", "k", "threads", "GFLOP/s", "peak", "of peak"];
  for (const line of table([heading, ...cells], [1, 2, 3, 4, 5, 6, 7])) print(line);
}

async function kernels(filter: string, { device, threads, milliseconds, json }: Options): Promise<void> {
  const rows = [];
  for (const count of threads ?? [undefined]) rows.push(...(await benchKernels({ engine: device, threads: count, filter, milliseconds })));
  if (json) {
    for (const row of rows) print(JSON.stringify(row));
    return;
  }
  const cells = rows.map(({ kernel, shape, threads, milliseconds, gflops, peakGflops, gigabytes, copyGigabytes }) => [
    ...[kernel, shape, String(threads), milliseconds.toFixed(3)],
    ...(gflops > 0 ? [gflops.toFixed(1), formatPercent(gflops / peakGflops)] : ["", ""]),
    ...[gigabytes.toFixed(1), formatPercent(gigabytes / copyGigabytes)],
  ]);
  const heading = ["kernel", "shape", "threads", "ms", "GFLOP/s", "of peak", "GB/s", "of copy"];
  for (const line of table([heading, ...cells], [2, 3, 4, 5, 6, 7])) print(line);
}

async function step({ device, threads = [], modality: name, preset, batch, steps, set, memoryLimit, json }: Options): Promise<void> {
  const { modality, demo } = modalityNamed(name);
  const size = batch === undefined ? [] : [`train.batchSize=${batch}`];
  const config = await loadConfig(modality, "pretrain", { preset, set: [...size, ...set] });
  const data = fileURLToPath(new URL(`../../${demo.data}`, import.meta.url));
  for (const count of threads.length > 0 ? threads : [undefined]) {
    const { backend, ...profiler } = profiled(await openBackend(device, { threads: count, memoryLimit }));
    using opened = new Device(backend);
    const result = await benchStep({ modality, config, data, device: opened, steps, warmUp: WARM_UP, profiler });
    const { batchSize, accumulate, activationCheckpointing } = config.train;
    if (json) {
      const settings = { engine: device, modality: name, preset, threads: backend.threads, batchSize, accumulate, activationCheckpointing };
      print(JSON.stringify({ ...settings, ...result }));
      continue;
    }
    const { milliseconds, samplesPerSecond, gflops, parameters, peakBytes } = result;
    for (const line of profileLines(profiler.profile())) print(line);
    print(
      `${name} ${preset}, ${backend.description}: ${milliseconds.toFixed(1)} ms a step of ${accumulate} x ${batchSize}, ` +
        `${samplesPerSecond.toFixed(1)} samples/s, ${gflops?.toFixed(1)} GFLOP/s; ${formatCount(parameters)} parameters, ` +
        `at most ${formatCount(Math.round(peakBytes / 2 ** 20))} MiB in use`,
    );
  }
}

function threadList(text: string): number[] {
  return text.split(",").map(integer(1, 256));
}

function shapes(text: string, before: GemmShape[] = []): GemmShape[] {
  const [, m, n, k] = /^(\d{1,6})x(\d{1,6})x(\d{1,6})$/.exec(text)?.map(Number) ?? [];
  if (!(m > 0 && n > 0 && k > 0)) throw new InvalidArgumentError("It must be three sizes such as 512x768x3072.");
  return [...before, [m, n, k]];
}
