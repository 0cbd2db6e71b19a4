/** Activation checkpointing: the same bits from less memory. */
import { describe, expect, it } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { ParameterStore } from "../../src/nn/parameter-store.js";
import { Transformer } from "../../src/nn/transformer.js";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { meanPool } from "../../src/ops/mean-pool.js";
import { backward } from "../../src/tensor/tape.js";
import { bf16Devices, devices } from "../devices.js";

const config = {
  dim: 64,
  depth: 6,
  heads: 4,
  ffnDim: 256,
  layerNormEps: 1e-6,
  layerScale: 0.5,
  keyBias: true,
  relativePositionRows: null,
  initStd: 0.1,
  initClip: 3,
  initByDepth: false,
  dropout: 0.2,
  attentionDropout: 0.2,
  activationDropout: 0.2,
  dropPath: 0.5,
  layerDrop: 0.3,
};
const BATCH = 16;
const TOKENS = 16;

describe.each([...devices, ...bf16Devices])("activation checkpointing on $name", ({ name, open }) => {
  // Where the full size takes long.
  const small = name === "reference" || name === "cuda emulated bf16";

  async function step(checkpointing: boolean, normFirst: boolean) {
    using device = open();
    const model = new Transformer({ ...config, normFirst, ...(small ? { dim: 8, ffnDim: 16, depth: 2 } : {}) });
    const { dim } = model.config;
    const store = new ParameterStore(device, { "": model }, { trainable: true, label: "model" });
    store.initialize(3);
    store.zeroGrad();
    device.setRandom(11, 5, 0);
    device.setScalars({ normalizer: BATCH });
    device.tape.checkpointing = checkpointing;
    const random = new Philox(1, "test");
    const draw = (count: number) => Float32Array.from({ length: count }, () => random.normal());
    const [x, bias] = [draw(BATCH * TOKENS * dim), draw(config.heads * TOKENS ** 2)];
    const before = device.heap.used;
    const layers: number[] = [];
    const result = await device.scoped(async () => {
      const input = device.from(x, [BATCH, TOKENS, dim], "x", device.activation);
      const shared = device.from(bias, [config.heads, TOKENS, TOKENS]);
      input.requiresGrad = true;
      shared.requiresGrad = true;
      const onLayer = (layer: number) => layers.push(layer);
      const output = model.forward(input, { bias: shared, relativeIndex: null, lengths: null, train: true, onLayer });
      const targets = device.from(
        Float32Array.from({ length: BATCH * dim }, (_, i) => (i % dim === 1 ? 1 : 0)),
        [BATCH, dim],
      );
      const loss = crossEntropy(meanPool(output, 0, null), targets);
      backward(loss);
      return [await loss.read(), await input.grad!.read(), await shared.grad!.read(), await store.gradients!.read()];
    });
    return { result, layers, memory: device.heap.peak - before };
  }

  it.each([
    ["before", true],
    ["after", false],
  ])("gives the bits of a plain step, norms %s each branch, and looks at each layer once", async (_, normFirst) => {
    const plain = await step(false, normFirst);
    const checkpointed = await step(true, normFirst);
    expect(checkpointed.result).toEqual(plain.result);
    expect(plain.result[1].some((value) => value !== 0)).toBe(true);
    expect(checkpointed.layers).toEqual(plain.layers);
    if (!small) expect(checkpointed.memory).toBeLessThan(0.5 * plain.memory);
  });
});
