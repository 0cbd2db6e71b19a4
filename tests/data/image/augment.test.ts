/** The random augmentations: their bounds and distributions, determinism, and resizing against a sum over all pixels. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import { resizeCenterCrop } from "../../../src/data/image/augment/center-crop.js";
import { colorJitter } from "../../../src/data/image/augment/color-jitter.js";
import { brightness, contrast, saturation } from "../../../src/data/image/augment/enhance.js";
import { horizontalFlip } from "../../../src/data/image/augment/flip.js";
import { normalize } from "../../../src/data/image/augment/normalize.js";
import { OPERATIONS, parseRandAugment, randAugment } from "../../../src/data/image/augment/rand-augment.js";
import { randomErasing } from "../../../src/data/image/augment/random-erasing.js";
import { randomCropBox } from "../../../src/data/image/augment/random-resized-crop.js";
import { resize } from "../../../src/data/image/augment/resize.js";
import type { RawImage } from "../../../src/data/image/dataset.js";

function noise(width: number, height: number, channels: 1 | 3, seed = 1): RawImage {
  const random = new Philox(seed, "noise");
  return { width, height, channels, data: Uint8Array.from({ length: width * height * channels }, () => random.int(256)) };
}
const RECIPE = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;
const count = (n: number, test: (i: number) => boolean) => Array.from({ length: n }, (_, i) => test(i)).filter(Boolean).length;

describe("resize", () => {
  /** The definition, without fixed point, windows or two passes: each output is a weighted mean of every pixel of the box. */
  function brute(
    image: RawImage,
    width: number,
    height: number,
    { kernel, radius }: { kernel: (x: number) => number; radius: number },
  ): number[] {
    const weights = (inSize: number, outSize: number, out: number) => {
      const stretch = Math.max(1, inSize / outSize);
      const center = ((out + 0.5) * inSize) / outSize;
      const raw = Array.from({ length: inSize }, (_, i) => {
        const distance = (i + 0.5 - center) / stretch;
        return Math.abs(distance) < radius ? kernel(Math.abs(distance)) : 0;
      });
      const sum = raw.reduce((a, b) => a + b, 0);
      return raw.map((weight) => weight / sum);
    };
    const result: number[] = [];
    for (let y = 0; y < height; y++) {
      const down = weights(image.height, height, y);
      for (let x = 0; x < width; x++) {
        const across = weights(image.width, width, x);
        for (let c = 0; c < image.channels; c++) {
          let sum = 0;
          for (let i = 0; i < image.height; i++) {
            for (let j = 0; j < image.width; j++) {
              sum += down[i]! * across[j]! * image.data[(i * image.width + j) * image.channels + c]!;
            }
          }
          result.push(Math.min(255, Math.max(0, sum)));
        }
      }
    }
    return result;
  }
  const kernels = {
    bilinear: { radius: 1, kernel: (d: number) => 1 - d },
    bicubic: { radius: 2, kernel: (d: number) => (d < 1 ? 1.5 * d ** 3 - 2.5 * d ** 2 + 1 : -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2) },
  };

  it.each(["bilinear", "bicubic"] as const)("is the %s mean of the pixels around", (interpolation) => {
    const sizes = fc.integer({ min: 1, max: 24 });
    fc.assert(
      fc.property(sizes, sizes, sizes, sizes, fc.constantFrom(1 as const, 3 as const), fc.nat(), (w, h, width, height, channels, seed) => {
        // Values in the middle, so that the clipping after the first pass, which the definition lacks, doesn't act.
        const { data } = noise(w, h, channels, seed);
        const image: RawImage = { width: w, height: h, channels, data: data.map((value) => 80 + value / 4) };
        const exact = brute(image, width, height, kernels[interpolation]);
        const result = resize(image, { left: 0, top: 0, width: w, height: h }, width, height, interpolation);
        for (const [i, value] of exact.entries()) expect(Math.abs(result.data[i]! - value)).toBeLessThanOrEqual(1.5);
      }),
      { numRuns: 60 },
    );
  });

  it("of a box is the resize of the cut-out, and a window of the result its cut-out", () => {
    const image = noise(19, 15, 3);
    const box = { left: 3, top: 4, width: 11, height: 9 };
    const cut: RawImage = { ...box, channels: 3, data: new Uint8Array(11 * 9 * 3) };
    for (let y = 0; y < 9; y++) cut.data.set(image.data.subarray(((y + 4) * 19 + 3) * 3, ((y + 4) * 19 + 14) * 3), y * 33);
    const whole = resize(cut, { left: 0, top: 0, width: 11, height: 9 }, 14, 20, "bicubic");
    expect(resize(image, box, 14, 20, "bicubic")).toEqual(whole);
    const part = resize(image, box, 14, 20, "bicubic", { left: 5, top: 7, width: 4, height: 6 });
    for (let y = 0; y < 6; y++) {
      const from = ((y + 7) * 14 + 5) * 3;
      expect(Array.from(part.data.subarray(y * 12, y * 12 + 12))).toEqual(Array.from(whole.data.subarray(from, from + 12)));
    }
  });
});

describe("resizeCenterCrop", () => {
  it("leaves an image of the right size alone", () => {
    const image = noise(28, 28, 1);
    expect(resizeCenterCrop(image, 28, 28, "bicubic").data).toEqual(image.data);
  });

  it("takes the center, of tall and of wide images, however long", () => {
    for (const [width, height] of [
      [40, 20],
      [20, 40],
      [30000, 2],
      [1, 30000],
      [1, 1],
    ] as const) {
      const data = new Uint8Array(width * height).fill(7);
      const result = resizeCenterCrop({ width, height, channels: 1, data }, 16, 18, "bilinear");
      expect([result.width, result.height]).toEqual([16, 16]);
      expect(result.data.every((value) => value === 7)).toBe(true);
    }
    const wide: RawImage = { width: 40, height: 20, channels: 1, data: Uint8Array.from({ length: 800 }, (_, i) => i % 40) };
    expect(Array.from(resizeCenterCrop(wide, 20, 20, "bilinear").data.subarray(0, 20))).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 10),
    );
  });

  it("refuses a crop larger than the resized image", () => {
    expect(() => resizeCenterCrop(noise(8, 8, 1), 16, 8, "bicubic")).toThrow(RangeError);
  });
});

describe("randomCropBox", () => {
  it("stays inside the image, and within area and aspect up to rounding", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 700 }), fc.nat(), (width, height, seed) => {
        const box = randomCropBox(width, height, RECIPE, new Philox(seed, "crop"));
        for (const value of Object.values(box)) expect(Number.isInteger(value)).toBe(true);
        expect(box.width).toBeGreaterThan(0);
        expect(box.height).toBeGreaterThan(0);
        expect(box.left).toBeGreaterThanOrEqual(0);
        expect(box.top).toBeGreaterThanOrEqual(0);
        expect(box.left + box.width).toBeLessThanOrEqual(width);
        expect(box.top + box.height).toBeLessThanOrEqual(height);
        expect((box.width - 0.5) / (box.height + 0.5)).toBeLessThan(4 / 3);
        expect((box.width + 0.5) / (box.height - 0.5)).toBeGreaterThan(box.height === 1 ? 0 : 3 / 4);
        expect((box.width + 0.5) * (box.height + 0.5)).toBeGreaterThan(Math.min(width, height) ** 2 * 0.08);
      }),
    );
  });

  it("has a uniform area and reaches every place", () => {
    const areas: number[] = [];
    const left = new Set<number>();
    for (let i = 0; i < 4000; i++) {
      const box = randomCropBox(400, 400, { scale: [0.2, 0.6], ratio: [3 / 4, 4 / 3] }, new Philox(5, "crop", i));
      areas.push((box.width * box.height) / 160000);
      left.add(Math.floor((box.left / (400 - box.width + 1)) * 10));
    }
    expect(areas.reduce((a, b) => a + b) / 4000).toBeCloseTo(0.4, 2);
    expect(areas.filter((area) => area < 0.3).length / 4000).toBeCloseTo(0.25, 1);
    expect(Math.min(...areas)).toBeGreaterThan(0.19);
    expect(Math.max(...areas)).toBeLessThan(0.61);
    expect(left.size).toBe(10);
  });

  it("falls back to the largest central part of a narrow image", () => {
    expect(randomCropBox(1000, 30, { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] }, new Philox(1, "crop"))).toEqual({
      left: 480,
      top: 0,
      width: 40,
      height: 30,
    });
    expect(randomCropBox(30, 1000, { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] }, new Philox(1, "crop"))).toEqual({
      left: 0,
      top: 480,
      width: 30,
      height: 40,
    });
  });

  it("is the whole image at scale 1 and ratio 1 of a square", () => {
    const whole = { left: 0, top: 0, width: 28, height: 28 };
    expect(randomCropBox(28, 28, { scale: [1, 1], ratio: [1, 1] }, new Philox(3, "crop"))).toEqual(whole);
  });
});

describe("horizontalFlip", () => {
  it("mirrors rows, and twice gives the image back", () => {
    const image: RawImage = { width: 3, height: 2, channels: 1, data: Uint8Array.from([1, 2, 3, 4, 5, 6]) };
    expect(Array.from(horizontalFlip(image).data)).toEqual([3, 2, 1, 6, 5, 4]);
    const color = noise(7, 5, 3);
    expect(horizontalFlip(horizontalFlip(color))).toEqual(color);
  });
});

describe("colorJitter", () => {
  const options = { brightness: 0.4, contrast: 0.4, saturation: 0.4 };

  it("applies the three in every order, with factors from 0.6 to 1.4", () => {
    const image = noise(6, 6, 3);
    const orders = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const result = colorJitter(image, options, new Philox(i, "jitter"));
      // The same draws, replayed by hand.
      const random = new Philox(i, "jitter");
      const [a, b] = [random.int(3), random.int(2)];
      const order = ["b", "c", "s"];
      [order[2], order[a]] = [order[a]!, order[2]!];
      [order[1], order[b]] = [order[b]!, order[1]!];
      let expected: RawImage = image;
      for (const kind of order) {
        const factor = 0.6 + 0.8 * random.uniform();
        expected = { b: brightness, c: contrast, s: saturation }[kind]!(expected, factor);
      }
      expect(result).toEqual(expected);
      orders.add(order.join(""));
    }
    expect(orders.size).toBe(6);
  });

  it("is nothing at amounts of 0", () => {
    const image = noise(5, 5, 3);
    expect(colorJitter(image, { brightness: 0, contrast: 0, saturation: 0 }, new Philox(1, "jitter"))).toEqual(image);
  });
});

describe("randAugment", () => {
  it("reads timm's notation", () => {
    expect(parseRandAugment("rand-m9-mstd0.5-inc1")).toEqual({
      layers: 2,
      magnitude: 9,
      magnitudeStd: 0.5,
      probability: 0.5,
      increasing: true,
    });
    expect(parseRandAugment("rand-n3-m7")).toEqual({ layers: 3, magnitude: 7, magnitudeStd: 0, probability: 0.5, increasing: false });
    for (const bad of ["", "augmix-m3", "rand-x1", "rand-m", "rand-n1.5"]) expect(() => parseRandAugment(bad)).toThrow(/timm's notation/);
  });

  it("has timm's fifteen operations, and carries each drawn one out half of the time", () => {
    expect(Object.keys(OPERATIONS).length).toBe(15);
    const image = noise(9, 9, 3);
    const options = { ...parseRandAugment("rand-m9-mstd0.5-inc1"), layers: 1 };
    const unchanged = count(2000, (i) => randAugment(image, options, [1, 2, 3], "bicubic", new Philox(i, "ra")) === image);
    expect(unchanged / 2000).toBeCloseTo(0.5, 1);
  });

  it("gets stronger with the magnitude in the increasing set", () => {
    const image: RawImage = { width: 16, height: 16, channels: 1, data: Uint8Array.from({ length: 256 }, (_, i) => i) };
    const setting = { fill: [0], interpolation: "bicubic", increasing: true } as const;
    const change = (name: string, level: number) => {
      const result = OPERATIONS[name]!(image, { ...setting, level, random: new Philox(1, "ra") });
      return result.data.reduce((sum, value, i) => sum + Math.abs(value - image.data[i]!), 0);
    };
    for (const name of ["rotate", "posterize", "solarize", "solarizeAdd", "contrast", "brightness", "shearX", "translateY"]) {
      expect(change(name, 0.9), name).toBeGreaterThan(change(name, 0.3));
    }
    // Level 0.9: one bit is kept; values from 26 on are inverted; 99 is added.
    expect(OPERATIONS.posterize!(image, { ...setting, level: 0.9, random: new Philox(1, "ra") }).data[200]).toBe(128);
    expect(OPERATIONS.solarize!(image, { ...setting, level: 0.9, random: new Philox(1, "ra") }).data.slice(25, 27)).toEqual(
      Uint8Array.from([25, 229]),
    );
    expect(OPERATIONS.solarizeAdd!(image, { ...setting, level: 0.9, random: new Philox(1, "ra") }).data[20]).toBe(119);
  });
});

describe("randomErasing", () => {
  const options = { probability: 0.25, area: [0.02, 1 / 3], minAspect: 0.3 } as const;

  it("erases one rectangle of allowed area in a quarter of the images, the same in every channel", () => {
    let erased = 0;
    for (let i = 0; i < 2000; i++) {
      const pixels = new Float32Array(2 * 30 * 40).fill(100);
      randomErasing(pixels, 40, 30, options, new Philox(i, "erase"));
      const inside = Array.from(pixels.keys()).filter((at) => pixels[at] !== 100);
      if (inside.length === 0) continue;
      erased += 1;
      const first = inside.filter((at) => at < 1200);
      expect(inside.filter((at) => at >= 1200).map((at) => at - 1200)).toEqual(first);
      const xs = first.map((at) => at % 40);
      const ys = first.map((at) => Math.floor(at / 40));
      const width = Math.max(...xs) - Math.min(...xs) + 1;
      const height = Math.max(...ys) - Math.min(...ys) + 1;
      expect(first.length).toBe(width * height);
      expect(first.length / 1200).toBeLessThan(1 / 3 + 0.03);
      expect(first.length / 1200).toBeGreaterThan(0.01);
    }
    expect(erased / 2000).toBeCloseTo(0.25, 1);
  });

  it("fills with standard normal noise", () => {
    const values: number[] = [];
    for (let i = 0; i < 200; i++) {
      const pixels = new Float32Array(1600).fill(100);
      randomErasing(pixels, 40, 40, { ...options, probability: 1 }, new Philox(i, "erase"));
      values.push(...pixels.filter((value) => value !== 100));
    }
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(variance).toBeCloseTo(1, 1);
  });
});

describe("normalize", () => {
  it("gives planes of (value / 255 - mean) / std", () => {
    const out = new Float32Array(6);
    const image: RawImage = { width: 2, height: 1, channels: 3, data: Uint8Array.from([0, 51, 255, 102, 153, 204]) };
    normalize(image, { mean: [0.5, 0.4, 0.3], std: [0.5, 0.25, 0.2] }, out);
    const expected = [-1, (0.4 - 0.5) / 0.5, (0.2 - 0.4) / 0.25, (0.6 - 0.4) / 0.25, 3.5, (0.8 - 0.3) / 0.2];
    for (const [i, value] of expected.entries()) expect(out[i]).toBeCloseTo(value, 6);
  });
});
