/** The same seed gives the same bytes, whatever the number of threads and workers and whatever the memory held before. */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/tensor/device.js";
import {
  type Changes,
  openDevice,
  resultOf,
  runFinetuning,
  runPretraining,
  smallConfig,
  temporaryFolder,
  writeIdx,
  writeImageFolder,
} from "./small-run.js";

const root = await temporaryFolder();
const device = openDevice();
afterAll(() => device.close());
let data: string;
beforeAll(async () => {
  data = await writeIdx(path.join(root, "data"));
});

let counter = 0;
const stages = {
  pretrain: async (changes: Changes, on = device, from = data) => {
    const out = path.join(root, `run${counter++}`);
    await runPretraining({ config: smallConfig("pretrain", changes), data: from, out, device: on });
    return resultOf(out);
  },
  finetune: async (changes: Changes, on = device, from = data) => {
    const out = path.join(root, `run${counter++}`);
    await runFinetuning({ config: smallConfig("finetune", changes), data: from, out, device: on });
    return resultOf(out);
  },
};

describe.each(["pretrain", "finetune"] as const)("%s", (stage) => {
  const run = stages[stage];

  it("with one seed twice is the same, with another it differs", async () => {
    const first = await run({ train: { steps: 3 } });
    expect(await run({ train: { steps: 3 } })).toEqual(first);
    const other = await run({ train: { steps: 3, seed: 1 } });
    expect(other.checkpoint["model.safetensors"]).not.toEqual(first.checkpoint["model.safetensors"]);
    expect(other.metrics).not.toEqual(first.metrics);
  });

  it("doesn't depend on activation checkpointing", async () => {
    const { metrics, checkpoint } = await run({ train: { steps: 3, activationCheckpointing: true } });
    const plain = await run({ train: { steps: 3 } });
    expect(metrics).toEqual(plain.metrics);
    expect(checkpoint["model.safetensors"]).toEqual(plain.checkpoint["model.safetensors"]);
  });

  it("doesn't depend on the number of threads", async () => {
    // Large enough that every kernel has several tasks.
    const changes = { model: { dim: 96, mlpRatio: 4, heads: 4 }, train: { steps: 2, batchSize: 32 } };
    const on = async (threads: number) => {
      using several = openDevice(threads);
      return await run(changes, several);
    };
    const one = await on(1);
    expect(await on(2)).toEqual(one);
    expect(await on(3)).toEqual(one);
  });

  it("doesn't depend on the number of workers that load images", async () => {
    const folder = await writeImageFolder(path.join(root, `images ${stage}`), 16);
    const of = async (workers: number) => {
      const { checkpoint, metrics } = await run({ data: { workers }, train: { steps: 5 } }, device, folder);
      // The configuration in it tells the number of workers.
      const { "trainer.json": _, ...tensors } = checkpoint;
      return { tensors, metrics };
    };
    const none = await of(0);
    expect(await of(1)).toEqual(none);
    expect(await of(3)).toEqual(none);
  });

  it("never reads memory that it hasn't written", async () => {
    const clean = await run({ train: { steps: 3 } });
    using dirty = openDevice();
    fillWithNaN(dirty);
    expect(await run({ train: { steps: 3 } }, dirty)).toEqual(clean);
  });
});

/** Leaves NaN in the memory that steps and state will use. */
function fillWithNaN(device: Device): void {
  const count = 1 << 21;
  device.scoped(() => device.kernels.fill(device.empty([count], "dirt").ptr, count, Number.NaN));
  const dirt = device.state([count], "dirt");
  device.kernels.fill(dirt.ptr, count, Number.NaN);
  device.release(dirt);
}
