/** Runs give back what they take, and a step takes no more the longer a run is. */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { vision } from "../../src/modalities/vision/vision.js";
import { loadModel } from "../../src/tasks/load-model.js";
import { fitLinearProbe } from "../../src/train/linear-probe.js";
import { openDevice, runFinetuning, runPretraining, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const root = await temporaryFolder();
const device = openDevice();
afterAll(() => device.close());
let data: string;
let pretrained: string;
beforeAll(async () => {
  data = await writeIdx(path.join(root, "data"));
  pretrained = path.join(root, "pretrained");
  await runPretraining({ config: smallConfig("pretrain"), data, out: pretrained, device });
});

let counter = 0;
const fresh = () => path.join(root, `run${counter++}`);
const used = () => device.heap.used;

/** Bytes that `body` leaves behind, once step memory and scratch have grown to what it needs. */
async function leftBehind(body: () => Promise<unknown>): Promise<number> {
  await body();
  const before = used();
  await body();
  return used() - before;
}

const poor = () => smallConfig("pretrain", { model: { relativePositionBias: "both" } });

describe("memory is given back", () => {
  it("by a pretraining run: whole, stopped, left and failed", async () => {
    expect(await leftBehind(() => runPretraining({ config: poor(), data, out: fresh(), device }))).toBe(0);
    const left = () =>
      runPretraining({ config: poor(), data, out: fresh(), device }, () => {
        throw new Error("enough");
      }).catch(() => {});
    expect(await leftBehind(left)).toBe(0);
    const failed = () =>
      runPretraining({
        config: smallConfig("pretrain", { train: { learningRate: 1e36, warmupSteps: 0 } }),
        data,
        out: fresh(),
        device,
      }).catch(() => {});
    expect(await leftBehind(failed)).toBe(0);
  });

  it("by a fine-tuning run: from scratch, pretrained, and one that finds no model", async () => {
    const config = smallConfig("finetune", { train: { evaluateEvery: 2, keepBest: true } });
    expect(await leftBehind(() => runFinetuning({ config, data, out: fresh(), device }))).toBe(0);
    expect(await leftBehind(() => runFinetuning({ config, data, out: fresh(), device, model: pretrained }))).toBe(0);
    const missing = () => runFinetuning({ config, data, out: fresh(), device, model: path.join(root, "none") }).catch(() => {});
    expect(await leftBehind(missing)).toBe(0);
    const other = smallConfig("finetune", { model: { dim: 32 } });
    expect(await leftBehind(() => runFinetuning({ config: other, data, out: fresh(), device, model: pretrained }).catch(() => {}))).toBe(0);
  });

  it("by a model that was released, and by one that didn't fit its folder", async () => {
    const load = async () => {
      const { model } = await loadModel(device, vision, pretrained);
      model.release();
    };
    expect(await leftBehind(load)).toBe(0);
    const incomplete: typeof vision = {
      ...vision,
      loadModel: async (folder) => {
        const loaded = await vision.loadModel(folder);
        loaded.parameters.delete("clsToken");
        return loaded;
      },
    };
    expect(await leftBehind(() => loadModel(device, incomplete, pretrained).catch(() => {}))).toBe(0);
  });

  it("by a linear probe", async () => {
    const known = { features: Float32Array.of(1, 0, 0, 1), labels: Int32Array.of(0, 1), dim: 2, classes: 2 };
    const fit = async () => {
      const probe = await fitLinearProbe(device, known);
      await probe.predict(known.features);
      probe.release();
    };
    expect(await leftBehind(fit)).toBe(0);
  });

  it("by a run that ran out of it", async () => {
    using small = openDevice(1, 9 << 20);
    const run = (batchSize: number) =>
      runPretraining({ config: smallConfig("pretrain", { train: { batchSize, steps: 1 } }), data, out: fresh(), device: small });
    await run(2);
    const before = small.heap.used;
    const large = smallConfig("pretrain", { model: { dim: 128, heads: 2 }, train: { batchSize: 32 } });
    await expect(runPretraining({ config: large, data, out: fresh(), device: small })).rejects.toThrow(
      /out of memory: .* needs .*lower train.batchSize/s,
    );
    await run(2);
    expect(small.heap.used).toBe(before);
  });
});

describe("a run", () => {
  it.each(["pretrain", "finetune"] as const)("%s takes no more memory with every step", async (stage) => {
    using fresh = openDevice();
    const config = smallConfig(stage, { train: { steps: 20, accumulate: 2, saveEvery: 10, evaluateEvery: 10 } });
    const start = stage === "pretrain" ? runPretraining : runFinetuning;
    const seen: { used: number; peak: number }[] = [];
    await start({ config, data, out: path.join(root, stage), device: fresh }, () => {
      seen.push({ used: fresh.heap.used, peak: fresh.heap.peak });
    });
    expect(seen).toHaveLength(20);
    // The first evaluation, at step 10, may need more than a training step.
    expect(new Set(seen.slice(0, 9).map(({ used }) => used)).size).toBe(1);
    expect(new Set(seen.slice(9).map(({ used }) => used)).size).toBe(1);
    expect(seen[19].peak).toBe(seen[9].peak);
  });
});
