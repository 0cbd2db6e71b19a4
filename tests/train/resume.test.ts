/** A run that was stopped, or killed, and continued gives the same bytes as one that ran through. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTrainerState } from "../../src/checkpoint/trainer-state.js";
import { openDevice, resultOf, runFinetuning, runPretraining, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const root = await temporaryFolder();
const device = openDevice();
afterAll(() => device.close());
let data: string;
beforeAll(async () => {
  data = await writeIdx(path.join(root, "data"));
});

const pretraining = smallConfig("pretrain", { train: { accumulate: 2 } });
const finetuning = smallConfig("finetune", { train: { evaluateEvery: 2, keepBest: true, layerDecay: 0.8 } });

/** The same run under both stages: where it goes, whether it goes on, and when it stops. */
type Start = (
  out: string,
  options?: { resume?: boolean; signal?: AbortSignal },
  each?: (report: { step: number }) => unknown,
) => Promise<unknown>;
const stages: [string, Start][] = [
  ["pretraining", (out, options, each) => runPretraining({ config: pretraining, data, out, device, ...options }, each)],
  ["fine-tuning", (out, options, each) => runFinetuning({ config: finetuning, data, out, device, labels: 16, ...options }, each)],
];

describe.each(stages)("%s", (name, start) => {
  const folder = (run: string) => path.join(root, name, run);

  it("stopped by a signal and continued twice is the run that never stopped", async () => {
    await start(folder("whole"));
    const stops = [1, 4];
    for (const [i, stop] of stops.entries()) {
      const controller = new AbortController();
      await start(folder("stopped"), { resume: i > 0, signal: controller.signal }, ({ step }) => step === stop && controller.abort());
      expect((await readTrainerState(path.join(folder("stopped"), "checkpoint"))).step).toBe(stop);
    }
    await start(folder("stopped"), { resume: true });
    const whole = await resultOf(folder("whole"));
    expect(await resultOf(folder("stopped"))).toEqual(whole);
    expect(whole.metrics.filter((line) => "loss" in line).map((line) => line.step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(Object.keys(whole.checkpoint)).toContain("optimizer.safetensors");
  });

  it("left by its reader is saved, and goes on", async () => {
    const leave = new Error("enough");
    const left = start(folder("left"), {}, ({ step }) => {
      if (step === 3) throw leave;
    });
    await expect(left).rejects.toBe(leave);
    expect((await readTrainerState(path.join(folder("left"), "checkpoint"))).step).toBe(3);
    await start(folder("left"), { resume: true });
    expect(await resultOf(folder("left"))).toEqual(await resultOf(folder("whole")));
  });

  it("continued when it was done changes nothing", async () => {
    const before = await resultOf(folder("whole"));
    expect(await start(folder("whole"), { resume: true })).toEqual([]);
    expect(await resultOf(folder("whole"))).toEqual(before);
  });
});

describe("a step of several passes", () => {
  it("ends between two of them when it is asked to, and is done anew", async () => {
    const controller = new AbortController();
    const out = path.join(root, "passes");
    const steps = await runPretraining({ config: pretraining, data, out, device, signal: controller.signal }, ({ step }) => {
      // The trainer lets others run only after the first pass of the next step.
      if (step === 3) setImmediate(() => controller.abort());
    });
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3]);
    await runPretraining({ config: pretraining, data, out, device, resume: true });
    expect(await resultOf(out)).toEqual(await resultOf(path.join(root, "pretraining", "whole")));
  });
});

/** Runs a stage in a process of its own, which prints each step; resolves with its exit code or signal. */
async function inChild(stage: "pretrain" | "finetune", options: object, killAt: number): Promise<number | string> {
  const dist = (file: string) => JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href);
  const script = `
    import { ${stage} } from ${dist(`train/${stage}.js`)};
    import { vision } from ${dist("modalities/vision/vision.js")};
    import { createWasmBackend } from ${dist("backend/wasm.js")};
    import { Device } from ${dist("tensor/device.js")};
    const device = new Device(createWasmBackend({ threads: 1 }));
    for await (const { step } of ${stage}({ modality: vision, device, ...JSON.parse(process.argv[1]) })) console.log(step);
    device.close();
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    if (Number(line) === killAt) child.kill("SIGKILL");
  }
  const [code, signal] = await ended;
  return signal ?? code;
}

// Saving at every step makes it likely that the process dies while it saves.
describe.each(["pretrain", "finetune"] as const)("%s after kill -9", (stage) => {
  it("goes on from the last checkpoint, to the same bytes", async () => {
    expect(existsSync("dist/train/pretrain.js"), "dist is missing: npm run build").toBe(true);
    const config = smallConfig(stage, { train: { steps: 8, saveEvery: 1 } });
    const run = (name: string) => ({ config, data, out: path.join(root, `${stage} ${name}`), model: null });
    const killed = run("killed");
    expect(await inChild(stage, killed, 3)).toBe("SIGKILL");
    expect(existsSync(path.join(killed.out, "lock")), "a killed run leaves its lock").toBe(true);
    const start = stage === "pretrain" ? runPretraining : runFinetuning;
    await start({ ...killed, device, resume: true });
    await start({ ...run("whole"), device });
    expect(await resultOf(killed.out)).toEqual(await resultOf(run("whole").out));
  });
});

it("drops metrics of steps after the checkpoint when a run goes on", async () => {
  const out = path.join(root, "metrics");
  const controller = new AbortController();
  const options = { config: pretraining, data, out, device };
  await runPretraining({ ...options, signal: controller.signal }, ({ step }) => step === 2 && controller.abort());
  const file = path.join(out, "metrics.jsonl");
  await writeFile(file, `${await readFile(file, "utf8")}{"step":3,"loss":1}\n{"step":4,"lo`);
  await runPretraining({ ...options, resume: true });
  expect(await resultOf(out)).toEqual(await resultOf(path.join(root, "pretraining", "whole")));
});
