// How many labels does pretraining save? For a few numbers of labels: scratch, fine-tuned, frozen features, raw inputs.
// Jobs that are already in the results are not run again, so an interrupted experiment goes on where it was.
import { execFile } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { EXPERIMENTS, needsData } from "./experiments.mjs";

const { values: options } = parseArgs({
  options: {
    experiment: { type: "string", default: "vision" },
    out: { type: "string" },
    data: { type: "string" },
    steps: { type: "string" },
    parallel: { type: "string", default: String(availableParallelism()) },
    only: { type: "string", default: "pretrain,raw,scratch,pretrained" },
    minutes: { type: "string", default: "600" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(
    "node examples/label-efficiency/run.mjs [--experiment NAME] [--out DIR] [--data DIR] [--steps N] [--parallel JOBS] " +
      "[--only pretrain,raw,scratch,pretrained] [--minutes M]\n\n" +
      "--data names the folder of the larger sets (see README.md); vision needs none.",
  );
  process.exit(0);
}

const { experiment } = options;
if (!(experiment in EXPERIMENTS)) throw new Error(`--experiment: expected ${Object.keys(EXPERIMENTS).join(", ")}, got ${experiment}`);
const { tasks, manyLabels, raw, set, grid: GRID, steps } = EXPERIMENTS[experiment];
if (needsData(experiment) && options.data === undefined) throw new Error("--data: expected the folder of the larger sets (see README.md)");
const out = options.out ?? `runs/label-efficiency-${experiment}`;
const SEEDS = [0, 1, 2];
const HOLD_OUT = 0.2;
/** A fifth of few labels says little, so there the choice is made over several draws. */
const tuningSeeds = (labels) => (labels <= 100 ? SEEDS : [0]);

mkdirSync(out, { recursive: true });
const file = path.join(out, "results.jsonl");
const model = path.join(out, "pretrained");
const deadline = Date.now() + Number(options.minutes) * 60_000;
const done = new Map();
if (existsSync(file)) {
  for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    const { key, result } = JSON.parse(line);
    done.set(key, result);
  }
}

async function run(job, threads = 1) {
  const key = JSON.stringify(job);
  if (done.has(key)) return done.get(key);
  const script = fileURLToPath(new URL("jobs.mjs", import.meta.url));
  const paths = { out: job.type === "pretrain" ? model : undefined, model: job.model ? model : undefined };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [script, JSON.stringify({ experiment, data: options.data, ...job, ...paths, threads })],
    {
      maxBuffer: 1e8,
    },
  );
  const result = JSON.parse(stdout.trim().split("\n").at(-1));
  done.set(key, result);
  appendFileSync(file, `${JSON.stringify({ key, result })}\n`);
  console.log(`${job.task ?? experiment}: ${job.type} ${job.model ?? ""} labels ${job.labels ?? "-"} seed ${job.seed}`, {
    ...job.setting,
    ...pick(result),
  });
  return result;
}

const pick = ({ accuracy, linear, knn, samplesPerSecond }) => ({ accuracy, linear, knn, samplesPerSecond });

/** Runs the jobs of a list, some at a time; stops starting them at the deadline. */
async function all(jobs) {
  const queue = [...jobs];
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined && Date.now() < deadline; job = queue.shift()) await run(job);
  };
  await Promise.all(Array.from({ length: Number(options.parallel) }, worker));
  return queue.length === 0 && jobs.every((job) => done.has(JSON.stringify(job)));
}

const finetuneJob = (side, task, labels, seed, setting, holdOut) => ({
  type: "finetune",
  task,
  ...(side === "pretrained" ? { model: "pretrained" } : {}),
  // From scratch a model of text still takes the tokenizer of the pretrained one.
  ...(side === "scratch" && EXPERIMENTS[experiment].modality === "text" ? { model: "pretrained", freshWeights: true } : {}),
  labels,
  seed,
  ...setting,
  ...(holdOut ? { holdOut } : {}),
  set,
});

/** Chooses a setting for each task and number of labels on held-out labels, then trains with all of them. */
async function compare(side) {
  const settings = tasks.flatMap(({ name, labels }) => labels.map((count) => ({ name, count })));
  const tuning = settings.flatMap(({ name, count }) =>
    tuningSeeds(count).flatMap((seed) => GRID[side].map((setting) => finetuneJob(side, name, count, seed, setting, HOLD_OUT))),
  );
  if (!(await all(tuning))) return;
  const finals = settings.flatMap(({ name, count }) => {
    const score = (setting) =>
      tuningSeeds(count).reduce(
        (sum, seed) => sum + done.get(JSON.stringify(finetuneJob(side, name, count, seed, setting, HOLD_OUT))).accuracy,
        0,
      );
    const best = GRID[side].reduce((a, b) => (score(b) > score(a) ? b : a));
    return SEEDS.map((seed) => finetuneJob(side, name, count, seed, best));
  });
  await all(finals);
}

const probes = (extra) =>
  tasks.flatMap(({ name, labels }) => [
    ...labels.flatMap((count) => SEEDS.map((seed) => ({ type: "probe", task: name, ...extra, labels: count, seed }))),
    ...(manyLabels === null ? [] : [{ type: "probe", task: name, ...extra, labels: manyLabels, seed: 0 }]),
  ]);

const parts = {
  pretrain: () => run({ type: "pretrain", seed: 0, steps: Number(options.steps ?? steps) }, Number(options.parallel)),
  raw: () => (raw === null ? undefined : all(probes({}))),
  scratch: () => compare("scratch"),
  pretrained: async () => {
    await all(probes({ model: "pretrained" }));
    await compare("pretrained");
  },
};
for (const part of options.only.split(",")) {
  if (!(part in parts)) throw new Error(`--only: ${part}: expected some of ${Object.keys(parts).join(", ")}`);
  await parts[part]();
}
