/** Training on an engine that records its steps and replays them gives the same bits as training that doesn't. */
import path from "node:path";
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import { Device } from "../../src/tensor/device.js";
import { bf16Engines, cudaEngines } from "../ops/engines.js";
import { smallPretrainings } from "./small-pretraining.js";
import { metricsOf, runFinetuning, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const folder = await temporaryFolder();
const pretrainings = smallPretrainings(folder);

/** Runs on an engine; counts the replays. */
async function run(backend: Backend, captured: boolean, start: (device: Device, out: string) => Promise<unknown>) {
  let replays = 0;
  const { capture } = backend;
  const counting: typeof capture = (body, keyOf) => {
    let ran = false;
    const wrapped = capture((...args) => {
      ran = true;
      body(...args);
    }, keyOf);
    return (...args) => {
      ran = false;
      wrapped(...args);
      if (!ran) replays++;
    };
  };
  using device = new Device({ ...backend, capture: captured ? counting : (body) => body });
  runs++;
  const out = path.join(folder, String(runs));
  await start(device, out);
  return { metrics: await metricsOf(out), replays };
}
let runs = 0;

const recording = [...cudaEngines, ...bf16Engines];
if (recording.length === 0) it.skip("no engine that records steps is here: npm run build:emulated", () => {});

/**
 * A shape is replayed from its third time on. Updates are all alike, and so are the passes of vision and of crops of one length; texts hide
 * different numbers of tokens, in some two shapes.
 */
const pretraining = [
  { modality: "vision", train: { steps: 3, accumulate: 2 }, passes: 4, updates: 1 },
  { modality: "speech", train: { steps: 4 }, passes: 2, updates: 2 },
  { modality: "text", train: { steps: 6 }, passes: 1, updates: 4 },
] as const;

/** Under emulation each takes 5 to 30 seconds, and how steps are recorded doesn't depend on their type: each kind of training on one engine. */
const EMULATED: Record<string, readonly string[]> = {
  "cuda emulated": ["vision", "fine-tuning"],
  "cuda emulated bf16": ["speech", "text"],
};

describe.each(recording)("captured training on $name", ({ name, open }) => {
  const runsHere = (kind: string) => EMULATED[name]?.includes(kind) ?? true;
  const cases = pretraining.filter(({ modality }) => runsHere(modality));

  it.each(cases)("of pretraining on $modality", { timeout: 120_000 }, async ({ modality, train, passes, updates }) => {
    const start = (device: Device, out: string) => pretrainings[modality](device, { out, train });
    const captured = await run(open(), true, start);
    const eager = await run(open(), false, start);
    expect(captured.metrics).toEqual(eager.metrics);
    expect(captured.replays).toBeGreaterThanOrEqual(passes + updates);
  });

  it.runIf(runsHere("fine-tuning"))("of fine-tuning that begins with the head alone", { timeout: 120_000 }, async () => {
    const data = await writeIdx(path.join(folder, "labelled"));
    const config = smallConfig("finetune", { train: { steps: 6, freezeSteps: 3 } });
    const start = (device: Device, out: string) => runFinetuning({ device, config, data, out });
    const captured = await run(open(), true, start);
    const eager = await run(open(), false, start);
    expect(captured.metrics).toEqual(eager.metrics);
    expect(captured.replays).toBeGreaterThan(1);
  });
});
