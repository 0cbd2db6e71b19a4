import { describe, expect, it } from "vitest";
import { alibiFactors, alibiSlopes } from "../../src/ops/alibi-slopes.js";
import { attention } from "../../src/ops/attention.js";
import { fromBf16, toBf16 } from "../../src/tensor/bf16.js";
import type { Device } from "../../src/tensor/device.js";
import { backward, passGrad, record } from "../../src/tensor/tape.js";
import type { Float, Tensor } from "../../src/tensor/tensor.js";
import { bf16Devices, devices } from "../devices.js";

describe("the factors of ALiBi", () => {
  it("are those of the paper for a power of two", () => {
    expect(alibiFactors(1)).toEqual([2 ** -8]);
    expect(alibiFactors(8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((h) => 2 ** -h));
    expect(alibiFactors(16)).toEqual(Array.from({ length: 16 }, (_, h) => 2 ** (-(h + 1) / 2)));
  });

  it("lie between these for other numbers of heads", () => {
    expect(alibiFactors(3)).toEqual([2 ** -4, 2 ** -8, 2 ** -2]);
    expect(alibiFactors(12)).toEqual([...alibiFactors(8), 2 ** -0.5, 2 ** -1.5, 2 ** -2.5, 2 ** -3.5]);
  });
});

const [batch, tokens, heads, headDim] = [2, 5, 3, 4];
const values = (count: number) => fromBf16(toBf16(Float32Array.from({ length: count }, (_, i) => Math.sin(i * i + 1))));

/** Lets a gradient flow into y. */
function backFrom(y: Tensor, dy: Float32Array): void {
  const loss = y.device.empty([1], "sum(dy y)");
  record(loss, [y], () => passGrad(y, y.device.from(dy, y.shape, "dy", y.dtype as Float)));
  backward(loss);
}

describe.each([...devices, ...bf16Devices])("alibiSlopes on $name", ({ open }) => {
  it("scales the factors, and learns the scale", async () => {
    using device = open();
    using _ = device.scope();
    const scale = device.from([1.5, 1, -2], [heads]);
    scale.requiresGrad = true;
    const slopes = alibiSlopes(scale);
    expect([...(await slopes.read())]).toEqual([1.5 * 2 ** -4, 2 ** -8, -2 * 2 ** -2]);
    backFrom(slopes, Float32Array.of(1, 2, 3));
    expect([...(await scale.grad!.read())]).toEqual([2 ** -4, 2 * 2 ** -8, 3 * 2 ** -2]);
  });

  it("makes of attention what a bias of the same values makes", async () => {
    using device = open();
    using _ = device.scope();
    const scale = device.from([4, 20, -2], [heads]);
    scale.requiresGrad = true;
    const slopes = [4 * 2 ** -4, 20 * 2 ** -8, 0];
    const distances = Array.from({ length: tokens * tokens }, (_, p) => Math.abs(Math.floor(p / tokens) - (p % tokens)));
    const bias = device.from(
      slopes.flatMap((slope) => distances.map((distance) => -slope * distance)),
      [heads, tokens, tokens],
    );
    bias.requiresGrad = true;
    const [biased, itsGradient] = await attend(device, { bias, alibi: null });
    const [sloped, gradient] = await attend(device, { bias: null, alibi: { slopes: alibiSlopes(scale), positions: null } });
    expect(sloped).toEqual(biased);
    expect(gradient).toEqual(itsGradient);

    const dBias = await bias.grad!.read();
    const dSlope = (h: number) => distances.reduce((sum, distance, p) => sum - distance * dBias[h * tokens * tokens + p], 0);
    const dScale = await scale.grad!.read();
    expect(dScale[0]).toBeCloseTo(dSlope(0) * 2 ** -4, 6);
    expect(dScale[1]).toBeCloseTo(dSlope(1) * 2 ** -8, 6);
    expect(dScale[2]).toBe(0);
  });
});

/** The output of attention, and the gradient of queries, keys and values. */
async function attend(
  device: Device,
  biases: Pick<Parameters<typeof attention>[1], "bias" | "alibi">,
): Promise<[Float32Array, Float32Array]> {
  const qkv = device.from(values(3 * batch * tokens * heads * headDim), [batch, tokens, 3 * heads * headDim], "qkv", device.activation);
  qkv.requiresGrad = true;
  const y = attention(qkv, { heads, ...biases, lengths: null, dropout: 0, purpose: 0 });
  backFrom(y, values(y.count));
  return [(await y.read()) as Float32Array, (await qkv.grad!.read()) as Float32Array];
}
