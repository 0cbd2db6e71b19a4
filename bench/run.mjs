// Measures the CPU engines of this machine: matrix products, attention, kernels, and whole pretraining steps, data and optimizer included.
// Writes bench/results/DATE-NAME.json. Usage: node bench/run.mjs [NAME]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { engines, loadConfig, openDevice, pretrain, speech, text, vision } from "data2vec";

const ROUNDS = 3;
const STEPS = 24;
const WARM_UP = 8;
const MODALITIES = { vision: [vision, "fashion-mnist"], speech: [speech, "gcin-voice/train"], text: [text, "wordnet"] };
const root = fileURLToPath(new URL("..", import.meta.url));
const [name = "local"] = process.argv.slice(2);
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim();
const loadAverageBefore = loadavg()[0];
const available = (await engines()).filter(({ available }) => available).map(({ name }) => name);
const measured = ["wasm", "cpu"].filter((engine) => available.includes(engine));

/** The rows of `data2vec bench` for one engine. */
function bench(what, engine, milliseconds) {
  const command = ["bench", what, "--json", "--device", engine, "--milliseconds", milliseconds];
  const rows = execFileSync(process.execPath, [path.join(root, "dist/cli/main.js"), ...command], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return rows.trim().split("\n").map(JSON.parse);
}

const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Median time of a pretraining step of the preset `tiny`. */
async function step(engine, modalityName, threads) {
  const [modality, folder] = MODALITIES[modalityName];
  const device = await openDevice(engine, { threads });
  const out = mkdtempSync(path.join(tmpdir(), "data2vec-bench-"));
  try {
    const set = [`train.steps=${STEPS}`, "train.saveEvery=1000000"];
    const config = await loadConfig(modality, "pretrain", { preset: "tiny", set });
    const times = [];
    let last = performance.now();
    const data = path.join(root, "examples/data", folder);
    for await (const { step } of pretrain({ modality, config, data, out: path.join(out, "run"), device })) {
      const now = performance.now();
      if (step > WARM_UP) times.push(now - last);
      last = now;
    }
    return middle(times);
  } finally {
    device.close();
    rmSync(out, { recursive: true, force: true });
  }
}

/** The engines take turns, so that a busy machine slows all of them. */
async function steps(modality, threads) {
  const times = Object.fromEntries(measured.map((engine) => [engine, []]));
  for (let round = 0; round < ROUNDS; round++) for (const engine of measured) times[engine].push(await step(engine, modality, threads));
  return measured.map((engine) => ({ engine, modality, preset: "tiny", threads, milliseconds: middle(times[engine]) }));
}

const rows = { gemm: [], attention: [], kernels: [], pretraining: [] };
for (const engine of measured) {
  rows.gemm.push(...bench("gemm", engine, "1500"));
  rows.attention.push(...bench("attention", engine, "800"));
  rows.kernels.push(...bench("kernels", engine, "400"));
}
for (const modality of Object.keys(MODALITIES)) rows.pretraining.push(...(await steps(modality, availableParallelism())));
rows.pretraining.push(...(await steps("vision", 1)));

const result = {
  machine: `${cpus()[0].model.trim()}, ${cpus().length} cores`,
  node: process.version,
  date: new Date().toISOString().slice(0, 10),
  commit,
  loadAverageBefore,
  ...rows,
};
const file = path.join(root, "bench/results", `${result.date}-${name}.json`);
writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
for (const { engine, m, n, k, threads, gflops, peakGflops } of rows.gemm) {
  const share = ((100 * gflops) / peakGflops).toFixed(0);
  console.log(`${engine} gemm ${m}x${n}x${k}, threads ${threads}: ${gflops.toFixed(1)} of ${peakGflops.toFixed(1)} GFLOP/s, ${share} %`);
}
for (const { engine, modality, threads, milliseconds } of rows.pretraining)
  console.log(`${engine} ${modality} tiny pretraining, threads ${threads}: ${milliseconds.toFixed(0)} ms a step`);
console.log(file);
