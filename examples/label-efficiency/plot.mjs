// Makes MODALITY.json and MODALITY.svg of results.jsonl: node plot.mjs MODALITY results.jsonl TARGET_DIR
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parse, View } from "vega";
import { compile } from "vega-lite";
import { EXPERIMENTS } from "./experiments.mjs";

const [modality, source, target] = process.argv.slice(2);
if (!(modality in EXPERIMENTS) || target === undefined) throw new Error("usage: node plot.mjs MODALITY results.jsonl TARGET_DIR");
const { raw, manyLabels } = EXPERIMENTS[modality];
const jobs = readFileSync(source, "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line))
  .map(({ key, result }) => ({ job: JSON.parse(key), result }));

const values = [];
const add = (method, { labels, seed }, accuracy) => values.push({ method, labels, seed, accuracy });
for (const { job, result } of jobs) {
  if (job.holdOut !== undefined) continue;
  const from = job.model ? "pretrained" : raw;
  if (job.type === "probe") {
    add(`${from}: linear`, job, result.linear);
    add(`${from}: 10 nearest neighbours`, job, result.knn);
  } else if (job.type === "finetune") {
    add(job.model ? "pretrained: fine-tuned" : "from scratch", job, result.accuracy);
  }
}

const groups = new Map();
for (const value of values) {
  const key = `${value.method}|${value.labels}`;
  groups.set(key, [...(groups.get(key) ?? []), value.accuracy]);
}
const summary = [...groups].map(([key, accuracies]) => {
  const [method, labels] = key.split("|");
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
  const spread = Math.sqrt(accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(accuracies.length - 1, 1));
  return { method, labels: Number(labels), mean, standardDeviation: spread, accuracies };
});
summary.sort((a, b) => a.labels - b.labels || a.method.localeCompare(b.method));
const settings = jobs.filter(({ job }) => job.type === "finetune" && job.holdOut === undefined).map(({ job }) => job);
const chosen = [...new Map(settings.map((job) => [`${job.model ?? "scratch"} ${job.labels}`, job])).values()].map(
  ({ model, labels, learningRate, steps }) => ({ side: model ?? "scratch", labels, learningRate, steps }),
);
const pretraining = jobs.find(({ job }) => job.type === "pretrain")?.job;
const about = {
  machine: `${cpus()[0].model.trim()}, ${cpus().length} cores`,
  date: new Date().toISOString().slice(0, 10),
  pretraining,
  chosen,
};
writeFileSync(path.join(target, `${modality}.json`), `${JSON.stringify({ ...about, summary }, null, 2)}\n`);

const shown = [...new Set(summary.map(({ labels }) => labels))].filter((labels) => labels !== manyLabels);
const spec = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: 420,
  height: 300,
  background: "white",
  data: { values: summary.filter(({ labels }) => labels !== manyLabels) },
  encoding: {
    x: {
      field: "labels",
      type: "quantitative",
      scale: { type: "log", domain: [0.9 * Math.min(...shown), 1.1 * Math.max(...shown)] },
      axis: { values: shown, title: "labels" },
    },
    color: { field: "method", type: "nominal", title: null, legend: { labelLimit: 300 } },
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
const svg = await new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
writeFileSync(path.join(target, `${modality}.svg`), `${svg}\n`);
for (const { method, labels, mean, standardDeviation, accuracies } of summary) {
  console.log(
    `${method.padEnd(34)} ${String(labels).padStart(5)}  ${(100 * mean).toFixed(1)} ± ${(100 * standardDeviation).toFixed(1)}  (${accuracies.length})`,
  );
}
