// Measures this machine and writes bench/results/DATE-NAME.json: matrix product and whole pretraining steps. Usage: node bench/run.mjs [NAME]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { loadConfig, openDevice, pretrain, vision } from "data2vec";

const STEPS = 40;
const WARM_UP = 10;
const root = fileURLToPath(new URL("..", import.meta.url));
const [name = "local"] = process.argv.slice(2);
const loadBefore = loadavg()[0];

const gemm = execFileSync(process.execPath, [path.join(root, "dist/cli/main.js"), "bench", "gemm", "--json", "--milliseconds", "1500"], {
  encoding: "utf8",
  stdio: ["ignore", "pipe", "inherit"],
})
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

/** Median time of a pretraining step of the preset `tiny`, data and optimizer included. */
async function step(threads) {
  const device = await openDevice("wasm", { threads });
  const out = mkdtempSync(path.join(tmpdir(), "data2vec-bench-"));
  try {
    const config = await loadConfig(vision, "pretrain", { preset: "tiny", set: [`train.steps=${STEPS}`, "train.saveEvery=1000000"] });
    const times = [];
    let last = performance.now();
    const data = path.join(root, "examples/data/fashion-mnist");
    for await (const { step } of pretrain({ modality: vision, config, data, out: path.join(out, "run"), device })) {
      const now = performance.now();
      if (step > WARM_UP) times.push(now - last);
      last = now;
    }
    const milliseconds = times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
    return { preset: "tiny", threads, milliseconds, imagesPerSecond: (1000 * config.train.batchSize) / milliseconds };
  } finally {
    device.close();
    rmSync(out, { recursive: true, force: true });
  }
}

const pretraining = [];
for (const threads of new Set([1, availableParallelism()])) pretraining.push(await step(threads));

const git = (...words) => execFileSync("git", words, { cwd: root, encoding: "utf8" }).trim();
const result = {
  machine: `${cpus()[0].model.trim()}, ${cpus().length} cores`,
  node: process.version,
  date: new Date().toISOString().slice(0, 10),
  commit: git("rev-parse", "--short", "HEAD"),
  loadAverageBefore: loadBefore,
  gemm,
  pretraining,
};
const file = path.join(root, "bench/results", `${result.date}-${name}.json`);
writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
for (const { m, n, k, threads, gflops, peakGflops } of gemm) {
  console.log(
    `gemm ${m}x${n}x${k} threads ${threads}: ${gflops.toFixed(1)} of ${peakGflops.toFixed(1)} GFLOP/s, ${((100 * gflops) / peakGflops).toFixed(0)} %`,
  );
}
for (const { threads, milliseconds, imagesPerSecond } of pretraining) {
  console.log(`tiny pretraining, threads ${threads}: ${milliseconds.toFixed(0)} ms a step, ${imagesPerSecond.toFixed(0)} images/s`);
}
console.log(file);
