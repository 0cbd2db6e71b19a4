/** Loads golden cases and compares with the tolerance their README gives. */
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { type HostTensor, readSafetensors, toFloat32 } from "../../src/checkpoint/safetensors.js";

/** A case: what went in and what came out. */
export interface GoldenCase {
  config: Record<string, unknown>;
  meta: { optimizer?: Record<string, number>; ema?: { decay_used: number } };
  file(name: string): Promise<Map<string, HostTensor>>;
  io: Map<string, HostTensor>;
  /** Largest difference between the original in f32 and in f64, of a tensor of a file (by its stem, "io" unless told otherwise). */
  uncertainty(name: string, file?: string): number;
}

export async function goldenCase(name: string): Promise<GoldenCase> {
  const folder = new URL(`./${name}/`, import.meta.url);
  const json = async (file: string) => JSON.parse(await readFile(new URL(file, folder), "utf8"));
  const file = (stem: string) => readSafetensors(new URL(`${stem}.safetensors`, folder).pathname);
  const meta = await json("meta.json");
  return {
    config: await json("config.json"),
    meta,
    file,
    io: await file("io"),
    uncertainty: (tensor, stem = "io") => meta.files[`${stem}.safetensors`].f32_vs_f64_maxabs?.[tensor] ?? 0,
  };
}

/** |actual - golden| <= max(1e-5 · max|golden|, 10 · uncertainty). */
export function expectGolden(what: string, actual: Float32Array, golden: HostTensor, uncertainty = 0): void {
  const expected = toFloat32(golden, what);
  expect(actual.length, `${what}: length`).toBe(expected.length);
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const tolerance = Math.max(1e-5 * largest, 10 * uncertainty);
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    if (!(difference <= tolerance)) {
      expect.fail(`${what}: element ${i} is ${actual[i]}, golden ${expected[i]}, off by ${difference}, tolerance ${tolerance}`);
    }
  }
}
