/** Every image operation against Pillow, which the recipes were made with: the same bytes. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { affine, rotate } from "../../../src/data/image/augment/affine.js";
import { convert } from "../../../src/data/image/augment/convert.js";
import { brightness, contrast, saturation, sharpness } from "../../../src/data/image/augment/enhance.js";
import { horizontalFlip } from "../../../src/data/image/augment/flip.js";
import { resize } from "../../../src/data/image/augment/resize.js";
import { autoContrast, equalize, invert, posterize, solarize, solarizeAdd } from "../../../src/data/image/augment/tone.js";
import type { RawImage } from "../../../src/data/image/dataset.js";

interface Stored {
  width: number;
  height: number;
  channels: 1 | 3;
  data: number[];
}
interface Case {
  op: string;
  source: string;
  arguments: unknown[];
  width: number;
  height: number;
  data: number[];
}
const golden = JSON.parse(readFileSync(new URL("pillow.json", import.meta.url), "utf8")) as {
  sources: Record<string, Stored>;
  cases: Case[];
};
const operations = {
  resize,
  affine,
  rotate,
  convert,
  brightness,
  contrast,
  saturation,
  sharpness,
  horizontalFlip,
  autoContrast,
  equalize,
  invert,
  posterize,
  solarize,
  solarizeAdd,
} as Record<string, (image: RawImage, ...rest: never[]) => RawImage>;

describe.each(Object.keys(operations))("%s", (op) => {
  it("gives Pillow's bytes", () => {
    const cases = golden.cases.filter((each) => each.op === op);
    expect(cases.length).toBeGreaterThan(3);
    for (const each of cases) {
      const source = golden.sources[each.source]!;
      const result = operations[op]!({ ...source, data: Uint8Array.from(source.data) }, ...(each.arguments as never[]));
      const label = `${each.source} ${JSON.stringify(each.arguments)}`;
      expect([result.width, result.height], label).toEqual([each.width, each.height]);
      expect(Array.from(result.data), label).toEqual(each.data);
    }
  });

  it("leaves its input alone", () => {
    for (const each of golden.cases.filter((one) => one.op === op)) {
      const source = golden.sources[each.source]!;
      const data = Uint8Array.from(source.data);
      operations[op]!({ ...source, data }, ...(each.arguments as never[]));
      expect(Array.from(data)).toEqual(source.data);
    }
  });
});
