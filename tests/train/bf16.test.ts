/** Training with activations in bfloat16: near float32, with masters, moments and checkpoints in float32, and a mirror that is never stale. */
import path from "node:path";
import { describe, expect, it } from "vitest";
import { readSafetensors, toFloat32 } from "../../src/checkpoint/safetensors.js";
import { EmaTeacher } from "../../src/data2vec/teacher.js";
import { speech } from "../../src/modalities/speech/speech.js";
import { Linear } from "../../src/nn/linear.js";
import { ParameterStore } from "../../src/nn/parameter-store.js";
import { linear } from "../../src/ops/linear.js";
import { fromBf16, toBf16 } from "../../src/tensor/bf16.js";
import { Device } from "../../src/tensor/device.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { finetune } from "../../src/train/finetune.js";
import { AdamW } from "../../src/train/optimizer.js";
import { smallConfig as speechConfig, writeClips } from "../modalities/speech-clips.js";
import { bf16Engines } from "../ops/engines.js";
import { FEW_FRAMES, smallPretrainings } from "./small-pretraining.js";
import { metricsOf, openDevice, runPretraining, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const folder = await temporaryFolder();
const pretrainings = smallPretrainings(folder);
const STEPS = 4;

if (bf16Engines.length === 0) it.skip("no engine with activations in bfloat16 is here: npm run build:emulated", () => {});

describe.each(bf16Engines)("training on $name", ({ name, open }) => {
  const outOf = (kind: string) => path.join(folder, `${name} ${kind}`);
  const pretrainOn = async (device: Device, modality: keyof typeof pretrainings, kind: string, train: { steps: number }) => {
    using own = device;
    return await pretrainings[modality](own, { out: outOf(kind), train });
  };

  /*
   * Two blocks round an activation some 20 times, by 2^-9 of itself in the middle: sqrt(20) 2^-9 or 1 % at random, of the prediction and of the
   * target. A loss is the mean of some 500 squares or more, each wrong by 2 % at random: 0.1 %, and four times that at the far end.
   */
  it.each(["vision", "speech", "text"] as const)(
    "of %s gives the losses of float32 but for 2^-8",
    { timeout: 120_000 },
    async (modality) => {
      const half = await pretrainOn(new Device(open()), modality, `${modality} bf16`, { steps: STEPS });
      const full = await pretrainOn(openDevice(), modality, `${modality} f32`, { steps: STEPS });
      const differences = half.map(({ loss }, step) => Math.abs(loss / full[step].loss - 1));
      expect(differences).toHaveLength(STEPS);
      expect(Math.max(...differences)).toBeLessThan(2 ** -8);
      // It was bfloat16 that computed.
      expect(Math.min(...differences)).toBeGreaterThan(0);
    },
  );

  it("by CTC gives the losses of float32 but for 2^-8, in training and evaluation", { timeout: 120_000 }, async () => {
    const clips = await writeClips(path.join(folder, "ctc"));
    const model = { ...FEW_FRAMES, maskProb: 0, channelMaskProb: 0 };
    const config = speechConfig("finetune", { model, train: { steps: 3 } });
    const losses = async (opened: Device, kind: string) => {
      using device = opened;
      const run = {
        modality: speech,
        task: "ctc",
        config,
        model: null,
        data: path.join(clips, "tables"),
        out: outOf(`ctc ${kind}`),
      } as const;
      const all: number[] = [];
      for await (const { metrics, evaluation } of finetune({ ...run, device })) {
        all.push(metrics.loss, ...(evaluation === null ? [] : [evaluation.loss]));
      }
      return all;
    };
    const half = await losses(new Device(open()), "bf16");
    const full = await losses(openDevice(), "f32");
    expect(half).toHaveLength(4);
    expect(Math.max(...half.map((loss, i) => Math.abs(loss / full[i] - 1)))).toBeLessThan(2 ** -8);
  });

  it("saves float32, and goes on in float32", { timeout: 120_000 }, async () => {
    const data = await writeIdx(path.join(folder, "data"));
    const run = { config: smallConfig("pretrain", { train: { steps: STEPS } }), data, out: outOf("stopped") };
    const controller = new AbortController();
    using half = new Device(open());
    await runPretraining({ ...run, device: half, signal: controller.signal }, ({ step }) => step === 2 && controller.abort());
    for (const file of ["model.safetensors", "teacher.safetensors", "optimizer.safetensors"]) {
      const tensors = [...(await readSafetensors(path.join(run.out, "checkpoint", file))).values()];
      expect(new Set(tensors.map(({ dtype }) => dtype))).toEqual(new Set(["F32"]));
      // More than bfloat16 holds.
      expect(tensors.some((tensor) => !isBf16(toFloat32(tensor, file)))).toBe(true);
    }
    using full = openDevice();
    const reports = await runPretraining({ ...run, device: full, resume: true });
    expect(reports.map(({ step }) => step)).toEqual([3, 4]);
    await runPretraining({ ...run, device: half, out: outOf("whole") });
    const whole = await metricsOf(outOf("whole"));
    for (const { step, metrics } of reports) expect(Math.abs(metrics.loss / whole[step - 1].loss - 1)).toBeLessThan(2 ** -8);
  });

  it("keeps the mirror of parameters: whatever writes them writes it, rounded", async () => {
    using device = new Device(open());
    const dim = 33;
    const make = (trainable: boolean) => {
      const modules = { a: new Linear(dim, 7, { kind: "normal", std: 1 }), b: new Linear(dim, 4, { kind: "normal", std: 1 }) };
      return new ParameterStore(device, modules, { trainable, label: "model" });
    };
    const [student, teacher] = [make(true), make(false)];
    const before = new Map<ParameterStore, Float32Array>();
    /** That the mirror is the values, rounded; and that the values have changed. */
    const expectMirror = async (store: ParameterStore) => {
      const values = await store.values.read();
      expect(values).not.toEqual(before.get(store));
      before.set(store, values);
      expect(await mirrorOf(device, store.values)).toEqual(fromBf16(toBf16(values)));
    };
    await expectMirror(student);
    student.initialize(1);
    await expectMirror(student);

    const ema = new EmaTeacher(teacher, student, ["b."]);
    ema.copyStudent();
    await expectMirror(teacher);

    student.gradients!.write(Float32Array.from({ length: student.count }, (_, i) => Math.sin(i)));
    const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1, layerDecay: 1 };
    using optimizer = new AdamW(student, settings, 0);
    optimizer.prepare(1, 0.01);
    optimizer.step();
    await expectMirror(student);

    device.setScalars({ emaDecay: 0.9 });
    ema.update();
    await expectMirror(teacher);

    device.kernels.fill(student.values.ptr + 4 * 5, 20, 1 / 3);
    await expectMirror(student);
  });

  it("tells the first tensor that went bad", { timeout: 120_000 }, async () => {
    const data = await writeIdx(path.join(folder, "data"));
    using device = new Device(open());
    const config = smallConfig("pretrain", { train: { steps: STEPS, learningRate: 1e25, clipNorm: 0 } });
    await expect(runPretraining({ device, config, data, out: outOf("bad") })).rejects.toThrow(
      /^step \d: the loss is \w+; the first tensor that went bad: (student|teacher)\.[\w. ]+\n/,
    );
  });

  it("refuses a weight that lies in no memory of parameters", () => {
    using device = new Device(open());
    using _ = device.scope();
    const [x, weight] = [device.from([1, 2], [1, 2], "x", "bf16"), device.from([1, 2], [1, 2], "weight")];
    expect(() => linear(x, weight, null)).toThrow("linear: weight: lies in no memory of parameters, so that it has no bf16 mirror");
  });
});

const isBf16 = (values: Float32Array) => fromBf16(toBf16(values)).every((value, i) => value === values[i]);

/** What products read in place of flat parameters: as the weight of 16 columns, times the identity. */
async function mirrorOf(device: Device, { ptr, count }: Tensor): Promise<Float32Array> {
  return device.scoped(async () => {
    const identity = device.from(
      Float32Array.from({ length: 256 }, (_, i) => (i % 17 === 0 ? 1 : 0)),
      [16, 16],
      "identity",
      "bf16",
    );
    const rows = count / 16;
    const columns = (await linear(identity, device.view(ptr, [rows, 16], "mirror"), null).read()) as Float32Array;
    return Float32Array.from({ length: count }, (_, i) => columns[(i % 16) * rows + Math.floor(i / 16)]);
  });
}
