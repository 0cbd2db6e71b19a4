/** `data2vec bench`: how fast the kernels are, against the machine's peak in the same run. */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { BENCH_ENGINES, type BenchEngine, benchGemm, type GemmShape } from "../backend/bench-gemm.js";
import { integer, withJson } from "./options.js";
import { formatPercent, print, say, table } from "./terminal.js";

interface Options {
  device: BenchEngine;
  threads?: number[];
  shape?: GemmShape[];
  milliseconds: number;
  json: boolean;
}

const BENCHMARKS = ["gemm"];

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command
    .addArgument(new Argument("[benchmark...]", "what to measure (default: all)").choices(BENCHMARKS))
    .addOption(new Option("--device <engine>", "engine that is measured").choices(BENCH_ENGINES).default("wasm"))
    .option("--threads <list>", "numbers of threads, such as 1,2 (default: one, and one per core)", threadList)
    .option("--shape <MxNxK>", "shape of the product, such as 512x768x3072; may be repeated (default: ViT-B's and the demo's)", shapes)
    .option("--milliseconds <time>", "time for each row", integer(10, 600_000), 500);
  withJson(command)
    .addHelpText(
      "after",
      `
Examples:
  data2vec bench gemm
  data2vec bench gemm --device cpu
  data2vec bench gemm --threads 1 --shape 512x768x768 --shape 512x768x3072 --json

gemm is the matrix product of an engine, y (M x N) = x (M x K) · weightᵀ. Its peak is a loop of multiply-adds on registers, as wide as
the engine's, on as many threads; both take turns, so that a busy machine slows both. With --json, one line for each row:
{"engine", "m", "n", "k", "threads", "gflops", "peakGflops"}.`,
    )
    .action(bench);
}

async function bench(_benchmarks: string[], { device, threads, shape, milliseconds, json }: Options): Promise<void> {
  say("measuring the matrix product; other work on this machine shows in the numbers");
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

function threadList(text: string): number[] {
  return text.split(",").map(integer(1, 256));
}

function shapes(text: string, before: GemmShape[] = []): GemmShape[] {
  const [, m, n, k] = /^(\d{1,6})x(\d{1,6})x(\d{1,6})$/.exec(text)?.map(Number) ?? [];
  if (!(m > 0 && n > 0 && k > 0)) throw new InvalidArgumentError("It must be three sizes such as 512x768x3072.");
  return [...before, [m, n, k]];
}
