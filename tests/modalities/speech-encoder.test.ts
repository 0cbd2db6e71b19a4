import { describe, expect, it } from "vitest";
import { SpeechEncoder, type SpeechEncoderConfig } from "../../src/modalities/speech/encoder.js";
import { frameCount, receptiveField } from "../../src/modalities/speech/frames.js";
import { type HostClips, uploadClips } from "../../src/modalities/speech/input.js";
import { ParameterStore } from "../../src/nn/parameter-store.js";
import { backward, passGrad, record } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";

const published: SpeechEncoderConfig = {
  convDims: Array(7).fill(512),
  convKernels: [10, 3, 3, 3, 3, 2, 2],
  convStrides: [5, 2, 2, 2, 2, 2, 2],
  convBias: false,
  dim: 768,
  depth: 12,
  heads: 12,
  ffnDim: 3072,
  layerNormEps: 1e-5,
  posConvLayers: 5,
  posConvKernel: 19,
  posConvGroups: 16,
  paddedPositions: "leak",
  dropout: 0,
  attentionDropout: 0,
  activationDropout: 0,
  layerDrop: 0,
  featureDropout: 0,
  featureGradScale: 1,
  emaPositions: "copied",
  embeds: true,
  initStd: 0.02,
};

const small: SpeechEncoderConfig = {
  ...published,
  convDims: [8, 8],
  convKernels: [10, 4],
  convStrides: [5, 4],
  dim: 12,
  depth: 2,
  heads: 2,
  ffnDim: 24,
  posConvLayers: 3,
  posConvKernel: 5,
  posConvGroups: 2,
};

const noise = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(step * (i + 1) ** 1.3));

/** Two clips, the second one shorter, padded with zeros. */
function clips(long: number, short: number): HostClips {
  const waveform = new Float32Array(2 * long);
  waveform.set(noise(long, 0.7));
  waveform.set(noise(short, 1.1), long);
  return { waveform, samples: [long, short] };
}

describe("frames", () => {
  it.each([
    [399, 0],
    [400, 1],
    [16_000, 49],
    [32_000, 99],
    [250_000, 781],
    [320_000, 999],
  ])("%i samples give %i", (samples, frames) => {
    expect(frameCount(samples, published)).toBe(frames);
  });

  it("of the published sizes see 400 samples each", () => {
    expect(receptiveField(published)).toBe(400);
    expect(receptiveField(small)).toBe(25);
    expect([frameCount(24, small), frameCount(25, small)]).toEqual([0, 1]);
  });
});

describe("sizes of the published models", () => {
  it.each([
    ["base", published, 93_164_288],
    ["large", { ...published, dim: 1024, depth: 24, heads: 16, ffnDim: 4096 }, 313_276_416],
  ])("%s", (_, config, count) => {
    expect(new SpeechEncoder(config).parameterCount).toBe(count);
  });

  it("a teacher has no feature extractor, projection and mask vector", () => {
    const names = [...new SpeechEncoder({ ...published, embeds: false }).namedParameters()].map(({ name }) => name.split(".")[0]);
    expect([...new Set(names)]).toEqual(["positionalConv", "embeddingNorm", "transformer"]);
  });
});

describe.each(devices)("the speech encoder on $name", ({ open }) => {
  const run = async (config: SpeechEncoderConfig, host: HostClips) => {
    using device = open();
    const encoder = new SpeechEncoder(config);
    const store = new ParameterStore(device, { "": encoder }, { trainable: false, label: "model" });
    store.initialize(3);
    return device.scoped(async () => {
      const last = encoder.encode(encoder.embed(uploadClips(device, host, config)), { mask: null, train: false });
      return { values: (await last.read()) as Float32Array, frames: last.shape[1] };
    });
  };

  /** The second clip's frames beside a longer one, and alone. */
  const differences = async (paddedPositions: "leak" | "masked") => {
    const config: SpeechEncoderConfig = { ...small, paddedPositions };
    const host = clips(2000, 1200);
    const together = await run(config, host);
    const alone = await run(config, { waveform: host.waveform.slice(2000, 3200), samples: [1200] });
    const second = together.values.subarray(together.frames * small.dim);
    return Array.from({ length: alone.frames }, (_, frame) =>
      Math.max(
        ...Array.from({ length: small.dim }, (_, c) => Math.abs(second[frame * small.dim + c] - alone.values[frame * small.dim + c])),
      ),
    );
  };

  it("masked positions make a clip's output independent of its padding", async () => {
    expect(Math.max(...(await differences("masked")))).toBeLessThan(2e-6);
  });

  it("leaking positions don't, as in fairseq and Hugging Face", async () => {
    expect((await differences("leak")).at(-1)).toBeGreaterThan(1e-3);
  });

  it("hides channels of all frames, for each clip its own", async () => {
    const host = clips(600, 600);
    const all = await run(small, host);
    const channelMasks = [new Uint8Array(small.dim), Uint8Array.from({ length: small.dim }, (_, c) => (c < 4 ? 1 : 0))];
    const hidden = await run(small, { ...host, channelMasks });
    const half = all.values.length / 2;
    expect(hidden.values.subarray(0, half)).toEqual(all.values.subarray(0, half));
    expect(hidden.values.subarray(half)).not.toEqual(all.values.subarray(half));
  });

  it.each([0, 1])("a gradient scale of %i trains the feature extractor or leaves it", async (featureGradScale) => {
    using device = open();
    const encoder = new SpeechEncoder({ ...small, featureGradScale });
    const store = new ParameterStore(device, { "": encoder }, { trainable: true, label: "model" });
    store.initialize(3);
    device.scoped(() => {
      const last = encoder.encode(encoder.embed(uploadClips(device, clips(600, 400), small)), { mask: null, train: true });
      const loss = device.empty([1], "loss");
      record(loss, [last], () => passGrad(last, device.from(noise(last.count, 0.3), last.shape)));
      backward(loss);
    });
    const gradients = (await store.gradients!.read()) as Float32Array;
    const norm = (part: string) =>
      store.entries
        .filter(({ name }) => name.startsWith(part))
        .reduce(
          (sum, { offset, parameter }) => sum + gradients.subarray(offset, offset + parameter.count).reduce((s, g) => s + g * g, 0),
          0,
        );
    expect(norm("featureExtractor.") > 0).toBe(featureGradScale > 0);
    expect(norm("featureProjection.")).toBeGreaterThan(0);
  });

  it("refuses clips shorter than a frame", async () => {
    const tooShort = { waveform: noise(24, 1), samples: [24] };
    await expect(run(small, tooShort)).rejects.toThrow("speech: waveform: expected [batch, 25 samples or more], got [1,24]");
  });
});
