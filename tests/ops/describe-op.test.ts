/** Kernels that are wrong on purpose: each kind of mistake must be found. */
import { expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import type { Kernels } from "../../src/backend/kernels.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { Case, checkDifferences, checkEngine, checkThreads, Draw, type OpRun } from "./describe-op.js";
import { bf16Engines } from "./engines.js";

const COUNT = 9;

/** gelu and its gradient, and a sum. */
function geluRun(): OpRun {
  const draw = new Draw("harness");
  return {
    inputs: { x: draw.normal(COUNT), dy: draw.normal(COUNT) },
    outputs: { y: COUNT, dx: COUNT },
    sums: { total: COUNT },
    run: (kernels, at) => {
      kernels.gelu(at.y, at.x, COUNT);
      kernels.geluGrad(at.dx, at.dy, at.x, COUNT);
      kernels.add(at.total, at.total, at.y, COUNT);
    },
    loss: { y: "dy" },
    gradients: { x: "dx" },
  };
}

/** The reference engine with some kernels replaced. */
function broken(replace: (kernels: Kernels) => Partial<Kernels>): Backend {
  const backend = createReferenceBackend();
  return { ...backend, kernels: { ...backend.kernels, ...replace(backend.kernels) } };
}

it("accepts right kernels", async () => {
  const backend = createReferenceBackend();
  await checkEngine(backend, new Case(geluRun()));
  checkDifferences(new Case(geluRun()));
  await checkThreads([backend, createReferenceBackend()], geluRun());
});

/** gelu, and then something that it must not do. */
const geluThen =
  (spoil: (kernels: Kernels, y: number, x: number) => void) =>
  (kernels: Kernels): Partial<Kernels> => ({
    gelu: (y, x) => {
      kernels.gelu(y, x, COUNT);
      spoil(kernels, y, x);
    },
  });

it.each<[string, RegExp, (kernels: Kernels) => Partial<Kernels>]>([
  ["an element left unwritten", /^y\[8\] .*got NaN/, (k) => ({ gelu: (y, x) => k.gelu(y, x, COUNT - 1) })],
  ["a value slightly wrong", /^y\[0\] /, geluThen((k, y) => k.ema(y, y + 4, y, 1))],
  ["a write behind a buffer", /^y: byte 36 .*outside the buffer/, geluThen((k, y) => k.fill(y + 36, 1, 0))],
  ["a write before a buffer", /^y: byte -4 .*outside the buffer/, geluThen((k, y) => k.fill(y - 4, 1, 0))],
  ["a changed input", /^x: the input was changed/, geluThen((k, _y, x) => k.fill(x + 4, 1, 0))],
  ["a sum overwritten", /^total\[\d\] /, (k) => ({ add: (y, _a, b) => k.copy(y, b, COUNT) })],
])("finds %s", async (_, message, replace) => {
  await expect(checkEngine(broken(replace), new Case(geluRun()))).rejects.toThrow(message);
});

it("finds an element that the reference leaves unwritten", async () => {
  const short: OpRun = { ...geluRun(), run: (kernels, at) => kernels.gelu(at.y, at.x, COUNT - 1) };
  await expect(checkEngine(createReferenceBackend(), new Case(short))).rejects.toThrow("the reference leaves it unwritten");
});

it("finds a wrong gradient", () => {
  const wrong: OpRun = { ...geluRun(), gradients: { x: "y" } };
  expect(() => checkDifferences(new Case(wrong))).toThrow(/^y\[0\]: finite differences give/);
});

it("finds bits that depend on the engine", async () => {
  const other = broken(geluThen((k, y) => k.fill(y + 12, 1, 0)));
  await expect(checkThreads([createReferenceBackend(), other], geluRun())).rejects.toThrow(/^y\[3\] is/);
});

it.each(bf16Engines)("finds a value that is two roundings to bfloat16 off, on $name", async ({ open }) => {
  const backend = open();
  try {
    const test = new Case(geluRun()).inBf16!;
    await checkEngine(backend, test);
    const right = backend.bf16Kernels!;
    const gelu: Kernels["gelu"] = (y, x, count) => {
      right.gelu(y, x, count);
      // The third rounding may be that of the value itself.
      right.fill(y, 1, test.expected.y[0] * (1 + 3 * 2 ** -8));
    };
    await expect(checkEngine({ ...backend, bf16Kernels: { ...right, gelu } }, test)).rejects.toThrow(/^y\[0\] /);
  } finally {
    backend.close();
  }
});
