/** Training on an engine that records its steps and replays them gives the same bits as training that doesn't. */
import path from "node:path";
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import { Device } from "../../src/tensor/device.js";
import { cudaEngines } from "../ops/engines.js";
import { metricsOf, runFinetuning, runPretraining, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const folder = await temporaryFolder();
const data = await writeIdx(path.join(folder, "data"));

/** Runs on an engine; counts the replays. */
async function run(backend: Backend, name: string, captured: boolean, start: (device: Device, out: string) => Promise<unknown>) {
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
  const out = path.join(folder, name);
  await start(device, out);
  return { metrics: await metricsOf(out), replays };
}

describe.each(cudaEngines)("captured training on $name", ({ name, open }) => {
  it("of pretraining", { timeout: 120_000 }, async () => {
    const config = smallConfig("pretrain", { train: { steps: 4, accumulate: 2 } });
    const start = (device: Device, out: string) => runPretraining({ device, config, data, out });
    const captured = await run(open(), `${name} pretrain-captured`, true, start);
    const eager = await run(open(), `${name} pretrain-eager`, false, start);
    expect(captured.metrics).toEqual(eager.metrics);
    expect(captured.replays).toBeGreaterThan(6);
  });

  it("of fine-tuning that begins with the head alone", { timeout: 120_000 }, async () => {
    const config = smallConfig("finetune", { train: { steps: 6, freezeSteps: 3 } });
    const start = (device: Device, out: string) => runFinetuning({ device, config, data, out });
    const captured = await run(open(), `${name} finetune-captured`, true, start);
    const eager = await run(open(), `${name} finetune-eager`, false, start);
    expect(captured.metrics).toEqual(eager.metrics);
    expect(captured.replays).toBeGreaterThan(2);
  });
});
