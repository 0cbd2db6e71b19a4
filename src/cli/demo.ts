/** `data2vec demo`: the main job in small, on data that comes with the package. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Argument, type Command } from "commander";
import { loadConfig } from "../train/config.js";
import { type DemoPhase, type DemoResult, demo } from "../train/demo.js";
import { EXIT } from "./failure.js";
import { MODALITY_NAMES, type ModalityName, modalityNamed } from "./modalities.js";
import { type DeviceOptions, integer, openDevice, withDevice, withJson } from "./options.js";
import { Progress } from "./progress.js";
import { stepLine } from "./run.js";
import { Stop } from "./stop.js";
import { formatCount, formatPercent, formatSeconds, paint, print, say, table } from "./terminal.js";

interface Options extends DeviceOptions {
  out?: string;
  labels?: number;
  steps?: number;
  finetuneSteps?: number;
  seed: number;
  json: boolean;
}

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command
    .addArgument(new Argument("[modality]", "kind of data").choices(MODALITY_NAMES).default(MODALITY_NAMES[0]))
    .option("--out <folder>", "keep the three runs here (default: a temporary folder, removed at the end)")
    .option("--labels <count>", "labels to fine-tune with", integer(10, 10_000))
    .option("--steps <count>", "pretraining steps; more of them give better features", integer(1, 1e9))
    .option("--finetune-steps <count>", "fine-tuning steps, for both networks", integer(1, 1e9))
    .option("--seed <number>", "same seed, same result", integer(0, 2 ** 32 - 1), 0);
  withJson(withDevice(command))
    .addHelpText(
      "after",
      `
Examples:
  data2vec demo vision                          a few minutes on two cores
  data2vec demo speech
  data2vec demo text
  data2vec demo vision --steps 3000 --out runs/demo
  data2vec predict --model runs/demo/finetuned shirt.png

What happens: a small Transformer learns from data without labels; then it and the same network with random weights each learn from
the same few labels, in the same few steps with the same settings; both are judged on the test set. Training from scratch is far
from done by then: examples/label-efficiency lets each side have the steps and the learning rate that suit it best.
With --json, the last line is {"demo", "labels", "scratchAccuracy", "pretrainedAccuracy", "seconds"}.`,
    )
    .action(run);
}

async function run(modalityName: ModalityName, options: Options): Promise<void> {
  const { modality, demo: settings } = modalityNamed(modalityName);
  const withSteps = (stage: "pretraining" | "finetuning", steps: number | undefined) => {
    const { set = [], ...rest } = settings[stage];
    const more = [...(steps === undefined ? [] : [`train.steps=${steps}`]), `train.seed=${options.seed}`];
    return { ...rest, set: [...set, ...more] };
  };
  const pretraining = await loadConfig(modality, "pretrain", withSteps("pretraining", options.steps));
  const finetuning = await loadConfig(modality, "finetune", withSteps("finetuning", options.finetuneSteps));
  const labels = options.labels ?? settings.labels;
  const packaged = (folder: string) => fileURLToPath(new URL(`../../${folder}`, import.meta.url));
  const device = await openDevice(options);
  const out = options.out ?? (await mkdtemp(path.join(tmpdir(), "data2vec-demo-")));
  try {
    using progress = new Progress();
    using stop = new Stop(() => progress.note("stopping after this step"));
    say(`${settings.about}; engine: ${device.backend.description}`);
    const stories: Record<DemoPhase, string> = {
      pretraining: `1/3 pretraining: the network learns from the data without labels (${formatCount(pretraining.train.steps)} steps)`,
      scratch: `2/3 from scratch: the same network with random weights learns from ${labels} labels (${finetuning.train.steps} steps)`,
      "fine-tuning": `3/3 fine-tuning: the pretrained network learns from the same ${labels} labels (${finetuning.train.steps} steps)`,
    };
    const runs = demo({
      modality,
      pretraining,
      finetuning,
      data: packaged(settings.data),
      labelled: packaged(settings.labelled),
      out,
      device,
      labels,
      signal: stop.signal,
    });
    let current: DemoPhase | undefined;
    let next = await runs.next();
    while (!next.done) {
      const { phase, report } = next.value;
      if (phase !== current) progress.note(paint("bold", stories[phase]));
      current = phase;
      const line = `  ${stepLine(report)}`;
      if (report.step === report.steps) progress.finish(line);
      else progress.update(line);
      // The loop may never wait for anything but computation; signals come in between.
      await setImmediate();
      next = await runs.next();
    }
    if (next.value === null) {
      process.exitCode = EXIT.stopped;
      say(options.out === undefined ? "stopped" : `stopped; what there is lies in ${out}`);
    } else {
      tell(modalityName, settings.judgedOn, next.value, options, out);
    }
  } finally {
    device.close();
    if (options.out === undefined) await rm(out, { recursive: true, force: true });
  }
}

function tell(name: ModalityName, judgedOn: string, result: DemoResult, options: Options, out: string): void {
  const { labels, scratchAccuracy, pretrainedAccuracy, seconds } = result;
  if (options.json) {
    print(JSON.stringify({ demo: name, labels, scratchAccuracy, pretrainedAccuracy, seconds }));
    return;
  }
  print(`\naccuracy on the ${judgedOn} after ${labels} labels:`);
  const rows = [
    ["  from scratch", formatPercent(scratchAccuracy)],
    ["  pretrained", formatPercent(pretrainedAccuracy)],
    ["  difference", `${(100 * (pretrainedAccuracy - scratchAccuracy)).toFixed(1)} points`],
  ];
  for (const line of table(rows)) print(line);
  print(`in ${formatSeconds(seconds)}`);
  say("in as many steps, with the same settings; examples/label-efficiency lets each side have those that suit it best");
  if (options.out !== undefined) say(`try: data2vec predict --model ${path.join(out, "finetuned")} FILE...`);
}
