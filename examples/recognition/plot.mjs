// Makes russian.json and russian.svg of the two runs in RUNS/pretrained and RUNS/scratch: node plot.mjs RUNS TARGET_DIR
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parse, View } from "vega";
import { compile } from "vega-lite";

const [runs, target] = process.argv.slice(2);
if (target === undefined) throw new Error("usage: node plot.mjs RUNS TARGET_DIR");
const SIDES = { pretrained: "pretrained", scratch: "from scratch" };

const values = Object.entries(SIDES).flatMap(([folder, side]) =>
  readFileSync(path.join(runs, folder, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ evaluationCer }) => evaluationCer !== undefined)
    .map(({ step, evaluationCer, evaluationWer }) => ({ side, step, characterErrorRate: evaluationCer, wordErrorRate: evaluationWer })),
);
const about = { machine: `${cpus()[0].model.trim()}, ${cpus().length} cores`, date: new Date().toISOString().slice(0, 10) };
writeFileSync(path.join(target, "russian.json"), `${JSON.stringify({ ...about, evaluations: values }, null, 2)}\n`);

const spec = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  background: "white",
  data: { values },
  width: 420,
  height: 300,
  mark: { type: "line", point: true },
  encoding: {
    x: { field: "step", type: "quantitative", title: "steps of up to 60 s" },
    y: {
      field: "characterErrorRate",
      type: "quantitative",
      scale: { domain: [0, 1] },
      axis: { format: ".0%", title: "character error rate on the test set" },
    },
    color: { field: "side", type: "nominal", title: null },
  },
};
const svg = await new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
writeFileSync(path.join(target, "russian.svg"), `${svg}\n`);
