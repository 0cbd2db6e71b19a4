import { describe, expect, it } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { ParameterStore } from "../../src/nn/parameter-store.js";
import { Transformer } from "../../src/nn/transformer.js";
import { add } from "../../src/ops/add.js";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { meanPool } from "../../src/ops/mean-pool.js";
import { tanhActivation } from "../../src/ops/tanh-activation.js";
import { backward } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { devices } from "../devices.js";

const config = {
  dim: 8,
  depth: 2,
  heads: 2,
  ffnDim: 12,
  layerNormEps: 1e-6,
  layerScale: 0.5,
  normFirst: true,
  keyBias: true,
  relativePositionRows: 4,
  initStd: 0.5,
  initClip: 3,
  initByDepth: false,
  dropout: 0.2,
  attentionDropout: 0.2,
  activationDropout: 0.2,
  dropPath: 0.5,
  layerDrop: 0.3,
};

describe.each(devices)("gradients of a Transformer with every regulariser on $name", ({ open }) => {
  it.each([
    ["before", true],
    ["after", false],
  ])("agree with central differences, norms %s each branch", async (_, normFirst) => {
    using device = open();
    const model = new Transformer({ ...config, normFirst });
    const store = new ParameterStore(device, { "": model }, { trainable: true, label: "model" });
    store.initialize(3);
    device.setRandom(11, 5, 0);
    device.setScalars({ normalizer: 4 });
    const random = new Philox(1, "test");
    const values = Float32Array.from({ length: 4 * 5 * 8 }, () => random.normal());
    const index = Int32Array.from({ length: 25 }, (_, i) => (i * 7) % 4);
    const targets = Float32Array.from({ length: 32 }, (_, i) => (i % 8 === (i >> 3) + 1 ? 1 : 0));

    const run = (record: boolean) =>
      device.scoped(async () => {
        const forward = () => {
          const options = { bias: null, relativeIndex: device.fromIndices(index, [5, 5]), lengths: null, train: true };
          const output = model.forward(device.from(values, [4, 5, 8]), options);
          return crossEntropy(meanPool(output, 0), device.from(targets, [4, 8]));
        };
        const loss = record ? forward() : device.noGrad(forward);
        if (record) backward(loss);
        return (await loss.read())[0];
      });

    store.zeroGrad();
    await run(true);
    const gradients = await store.gradients!.read();
    const parameters = await store.values.read();
    let checked = 0;
    for (const { name, parameter, offset } of store.entries) {
      const at = offset + random.int(parameter.count);
      const step = 1e-2;
      const shifted = async (delta: number) => {
        const changed = parameters.slice();
        changed[at] += delta;
        store.values.write(changed);
        return run(false);
      };
      const numeric = ((await shifted(step)) - (await shifted(-step))) / (2 * step);
      expect(Math.abs(gradients[at] - numeric), `${name}[${at - offset}]: ${gradients[at]} against ${numeric}`).toBeLessThan(
        2e-3 * Math.max(0.1, Math.abs(numeric)),
      );
      checked++;
    }
    expect(checked).toBe(store.entries.length);
  });
});

describe.each(devices)("gradients on $name", ({ open }) => {
  it("end when they have been carried on, and leave their memory to the next", async () => {
    using device = open();
    const count = 1_100_000; // beyond the arena's least chunk, so that the heap counts every tensor
    const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
    await device.scoped(async () => {
      const x = device.from(values, [count], "x");
      x.requiresGrad = true;
      const outputs: Tensor[] = [x];
      for (let i = 0; i < 8; i++) outputs.push(add(tanhActivation(outputs[i]), outputs[i]));
      const last = outputs[8];
      last.grad = device.from(new Float32Array(count).fill(1), [count]);
      const before = device.heap.used;
      device.tape.reverse();
      expect(device.heap.used - before).toBeLessThanOrEqual(3 * Math.ceil(x.byteLength / 64) * 64);
      expect(outputs.map(({ grad }) => grad === null)).toEqual([false, ...new Array(8).fill(true)]);

      const dx = await (x.grad as Tensor).read();
      for (const i of [0, 1, 77, count - 1]) {
        let [y, expected] = [values[i], 1];
        for (let layer = 0; layer < 8; layer++) {
          const tanh = Math.tanh(y);
          expected *= 2 - tanh * tanh;
          y += tanh;
        }
        expect(Math.abs(dx[i] / expected - 1)).toBeLessThan(1e-5);
      }
    });
  });
});
