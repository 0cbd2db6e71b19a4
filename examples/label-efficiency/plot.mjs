// Makes EXPERIMENT.json and EXPERIMENT.svg of results.jsonl: node plot.mjs EXPERIMENT results.jsonl TARGET_DIR
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parse, View } from "vega";
import { compile } from "vega-lite";
import { EXPERIMENTS } from "./experiments.mjs";

const [experiment, source, target] = process.argv.slice(2);
if (!(experiment in EXPERIMENTS) || target === undefined) throw new Error("usage: node plot.mjs EXPERIMENT results.jsonl TARGET_DIR");
const { raw, manyLabels, tasks } = EXPERIMENTS[experiment];
const jobs = readFileSync(source, "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line))
  .map(({ key, result }) => ({ job: JSON.parse(key), result }));

const sideOf = ({ model, freshWeights }) => (model && !freshWeights ? "pretrained" : "scratch");

const values = [];
const add = (method, { task, labels }, accuracy) => values.push({ task, method, labels, accuracy });
for (const { job, result } of jobs) {
  if (job.holdOut !== undefined) continue;
  const from = job.model ? "pretrained" : raw;
  if (job.type === "probe") {
    add(`${from}: linear`, job, result.linear);
    add(`${from}: 10 nearest neighbours`, job, result.knn);
  } else if (job.type === "finetune") {
    add(sideOf(job) === "scratch" ? "from scratch" : "pretrained: fine-tuned", job, result.accuracy);
  }
}

const groups = new Map();
for (const value of values) {
  const key = JSON.stringify([value.task, value.method, value.labels]);
  groups.set(key, [...(groups.get(key) ?? []), value]);
}
const summary = [...groups.values()].map((group) => {
  const { task, method, labels } = group[0];
  const accuracies = group.map(({ accuracy }) => accuracy);
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
  const spread = Math.sqrt(accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(accuracies.length - 1, 1));
  return { task, method, labels, mean, standardDeviation: spread, accuracies };
});
const order = (task) => tasks.findIndex(({ name }) => name === task);
summary.sort((a, b) => order(a.task) - order(b.task) || a.labels - b.labels || a.method.localeCompare(b.method));
const settings = jobs.filter(({ job }) => job.type === "finetune" && job.holdOut === undefined).map(({ job }) => job);
const chosen = [...new Map(settings.map((job) => [`${job.task} ${sideOf(job)} ${job.labels}`, job])).values()].map((job) => {
  const { task, labels, learningRate, steps } = job;
  return { task, side: sideOf(job), labels, learningRate, steps };
});
const pretraining = jobs.find(({ job }) => job.type === "pretrain")?.job;
const about = {
  machine: `${cpus()[0].model.trim()}, ${cpus().length} cores`,
  date: new Date().toISOString().slice(0, 10),
  pretraining,
  chosen,
};
writeFileSync(path.join(target, `${experiment}.json`), `${JSON.stringify({ ...about, summary }, null, 2)}\n`);

const shown = summary.filter(({ labels }) => labels !== manyLabels);
const counts = [...new Set(shown.map(({ labels }) => labels))];
const chart = {
  width: tasks.length > 1 ? 240 : 420,
  height: 300,
  encoding: {
    x: {
      field: "labels",
      type: "quantitative",
      scale: { type: "log", domain: [0.9 * Math.min(...counts), 1.1 * Math.max(...counts)] },
      axis: { values: counts, title: "labels" },
    },
    color: { field: "method", type: "nominal", title: null, legend: { labelLimit: 0 } },
  },
  layer: [
    {
      mark: { type: "line", point: true },
      encoding: {
        y: { field: "mean", type: "quantitative", scale: { zero: false }, axis: { format: ".0%", title: "accuracy on the test set" } },
      },
    },
    {
      transform: [
        { calculate: "datum.mean - datum.standardDeviation", as: "low" },
        { calculate: "datum.mean + datum.standardDeviation", as: "high" },
      ],
      mark: "rule",
      encoding: { y: { field: "low", type: "quantitative" }, y2: { field: "high" } },
    },
  ],
};
const common = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", background: "white", data: { values: shown } };
const facets = { facet: { field: "task", type: "nominal", title: null, sort: tasks.map(({ name }) => name) }, columns: 3 };
const spec = tasks.length > 1 ? { ...common, ...facets, resolve: { scale: { y: "independent" } }, spec: chart } : { ...common, ...chart };
const svg = await new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
writeFileSync(path.join(target, `${experiment}.svg`), `${svg}\n`);
for (const { task, method, labels, mean, standardDeviation, accuracies } of summary) {
  console.log(
    `${(task ?? "").padEnd(24)} ${method.padEnd(34)} ${String(labels).padStart(5)}  ${(100 * mean).toFixed(1)} ± ${(100 * standardDeviation).toFixed(1)}  (${accuracies.length})`,
  );
}
