/**
 * Tests of one op on every engine from one list of cases: outputs against the reference in float64, the reference's gradients against finite
 * differences of its forward, and the same bits for any number of threads. Outputs start as NaN and every buffer lies between guard bytes.
 * Engines with activations in bfloat16 are held against the reference of the rounded inputs.
 */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import type { Kernels, Pointer } from "../../src/backend/kernels.js";
import { Philox } from "../../src/backend/philox.js";
import { referenceKernels } from "../../src/backend/reference/kernels.js";
import { fromBf16, toBf16 } from "../../src/tensor/bf16.js";
import { DoubleMemory } from "./double-memory.js";
import { bf16Engines, engines, threadVariants } from "./engines.js";
import { type Role, rolesOf } from "./roles.js";

/** Largest difference from the reference, relative to the largest magnitude in the tensor, by dtype. */
export const TOLERANCE = { f32: 1e-5 };
/** Largest difference of a number from itself rounded to bfloat16, relative to it. */
const BF16_ROUNDING = 2 ** -8;
/** Differences below this are never told from zero. */
const UNDERFLOW = 1e-30;
/** Largest difference of a gradient from finite differences, relative to the largest gradient, all in float64. */
const DIFFERENCE_TOLERANCE = 1e-6;
const DIFFERENCE_STEP = 1e-4;
/** Cases with more elements than this are left out of the finite differences, which rerun the reference twice a probe. */
const DIFFERENCE_SIZE = 8192;
const GUARD_BYTES = 256;
const GUARD_BYTE = 0xa5;

export type Values = Float32Array | Int32Array | Uint32Array;
export type Pointers = Readonly<Record<string, Pointer>>;
export type Shape = Readonly<Record<string, number | boolean>>;

/** What one case runs: named buffers and the kernel calls on them. A buffer given as `undefined` is absent: its address is 0. */
export interface OpRun {
  inputs: Record<string, Values | undefined>;
  /** Element counts of buffers that the kernels write in full. */
  outputs?: Record<string, number | undefined>;
  /** Element counts of buffers that the kernels add to, or change in place. */
  sums?: Record<string, number | undefined>;
  /** The forward kernel and, where there is one, the backward kernel. */
  run(kernels: Kernels, at: Pointers): void;
  /** Outputs whose elements are numbers of their own: each is compared relative to itself. */
  scalars?: string[];
  /** The loss that gradients are taken of: for each output the weights of its elements, as numbers or as the name of an input. */
  loss?: Record<string, string | number[]>;
  /** The buffer that holds the gradient of each differentiable input. */
  gradients?: Record<string, string>;
  /** Outputs that are also tried at the address of an input. */
  inPlace?: Record<string, string>;
  /**
   * Outputs that depend on more roundings to bfloat16 than their own: the largest magnitude of what is rounded on the way, as far as it shows
   * in an element.
   */
  rounded?(expected: Readonly<Record<string, Float64Array>>): Record<string, number>;
}

/** The largest magnitude. */
export function largest(values: ArrayLike<number>): number {
  return Array.from(values, Math.abs).reduce((most, value) => Math.max(most, value), 0);
}

/** Draws test data that depends on the case and the order of draws alone. */
export class Draw {
  readonly #stream: Philox;
  constructor(label: string) {
    this.#stream = new Philox(0, label);
  }
  normal(count: number, scale = 1): Float32Array {
    return Float32Array.from({ length: count }, () => scale * this.#stream.normal());
  }
  uniform(count: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.#stream.uniform());
  }
  /** Integers in [low, high). */
  ints(count: number, low: number, high: number): Int32Array {
    return Int32Array.from({ length: count }, () => low + this.#stream.int(high - low));
  }
  /** An rng block: seed, step and first sample. */
  rng(): Uint32Array {
    return Uint32Array.from({ length: 4 }, () => this.#stream.uint32());
  }
}

/** Element counts around a tile: 1, one below, the tile, one above, and a prime beyond it. */
export function sizesAround(tile: number, prime: number): number[] {
  return [...new Set([1, tile - 1, tile, tile + 1, prime])];
}

export function describeOp<S extends Shape>(
  op: string,
  { cases, shapes, setup }: { cases: readonly S[]; shapes?: fc.Arbitrary<S>; setup: (shape: S, draw: Draw) => OpRun },
): void {
  const prepare = (shape: S) => new Case(setup(shape, new Draw(`${op} ${labelOf(shape)}`)));
  const prepared = cases.map((shape) => ({ label: labelOf(shape), test: prepare(shape) }));
  describe(op, () => {
    for (const { label, test } of prepared) {
      if (test.run.gradients && test.size <= DIFFERENCE_SIZE) it(`${label} by finite differences`, () => checkDifferences(test));
    }
    for (const engine of engines) {
      describe(`on ${engine.name}`, () => {
        let backend: Backend;
        beforeAll(async () => void (backend = await engine.open()));
        afterAll(() => backend.close());
        for (const { label, test } of prepared) it(label, () => checkEngine(backend, test));
        if (!shapes) return;
        it("random shapes", () =>
          fc.assert(
            fc.asyncProperty(shapes, (shape) => checkEngine(backend, prepare(shape))),
            { numRuns: 20, seed: 1 },
          ));
      });
    }
    for (const engine of bf16Engines) {
      const cases = prepared.flatMap(({ label, test }) => (test.inBf16 === null ? [] : [{ label, test: test.inBf16 }]));
      if (cases.length === 0) continue;
      describe(`on ${engine.name}`, () => {
        let backend: Backend;
        beforeAll(() => void (backend = engine.open()));
        afterAll(() => backend.close());
        for (const { label, test } of cases) it(label, () => checkEngine(backend, test));
      });
    }
    for (const engine of threadVariants) {
      describe(`on ${engine.name} with any number of threads`, () => {
        let backends: Backend[];
        beforeAll(async () => void (backends = await Promise.all([1, 2, 3].map((threads) => engine.open(threads)))));
        afterAll(() => {
          for (const backend of backends) backend.close();
        });
        for (const { label, test } of prepared) it(label, () => checkThreads(backends, test.run));
      });
    }
  });
}

function labelOf(shape: Shape): string {
  return Object.entries(shape)
    .map(([key, value]) => `${key} ${value}`)
    .join(" ");
}

/** A case and what it should give, computed once for all engines. */
export class Case {
  #expected: Record<string, Float64Array> | undefined;
  constructor(
    readonly run: OpRun,
    /** Of the buffers, on engines with activations in bfloat16; null for those in float32. */
    readonly roles: ReadonlyMap<string, Role> | null = null,
  ) {}
  /** The same with inputs that are bfloat16, where kernels of activations take part. */
  get inBf16(): Case | null {
    const roles = rolesOf(this.run.run);
    if (roles === null) return null;
    const inputs = Object.entries(this.run.inputs).map(([name, values]) => [name, values && roundedTo(roles.get(name), values)]);
    return new Case({ ...this.run, inputs: Object.fromEntries(inputs) }, roles);
  }
  /** What the reference computes in float64; an element that it leaves unwritten is an error, one that it makes NaN is not. */
  get expected(): Record<string, Float64Array> {
    if (this.#expected) return this.#expected;
    const results = runReference(this.run);
    if (Object.values(results).some((values) => values.some(Number.isNaN))) {
      for (const [name, values] of Object.entries(runReference(this.run, { fill: 0 }))) {
        const unwritten = values.findIndex((value, e) => Number.isNaN(results[name][e]) && !Number.isNaN(value));
        if (unwritten >= 0) throw new Error(`${name}[${unwritten}]: the reference leaves it unwritten`);
      }
    }
    return (this.#expected = results);
  }
  get size(): number {
    return planBuffers(this.run).buffers.reduce((sum, { values }) => sum + values.length, 0);
  }
}

/** Runs a case on an engine: throws on a wrong result, an unwritten output, a changed input or a write outside a buffer. */
export async function checkEngine(backend: Backend, test: Case): Promise<void> {
  compare(await runEngine(backend, test), test);
  if (test.run.inPlace) compare(await runEngine(backend, test, test.run.inPlace), test);
}

/** Values as an engine with activations in bfloat16 holds them: those of activations, and of the mirror of weights, are rounded. */
function roundedTo(role: Role | undefined, values: Values): Values {
  const isRounded = role === "activation" || role === "weight";
  return isRounded && values instanceof Float32Array ? fromBf16(toBf16(values)) : values;
}

/** Runs a case on several engines and throws unless all give the same bits. */
export async function checkThreads(backends: Backend[], run: OpRun): Promise<void> {
  const [first, ...others] = await Promise.all(backends.map((backend) => runEngine(backend, new Case(run))));
  for (const [i, other] of others.entries()) {
    for (const [name, values] of Object.entries(first)) {
      const bits = new Uint32Array(values.buffer);
      const otherBits = new Uint32Array(other[name].buffer);
      const at = bits.findIndex((word, e) => word !== otherBits[e]);
      if (at < 0) continue;
      const threads = [backends[0].threads, backends[i + 1].threads];
      throw new Error(`${name}[${at}] is ${values[at]} with ${threads[0]} threads and ${other[name][at]} with ${threads[1]}`);
    }
  }
}

interface Plan {
  name: string;
  kind: "input" | "output" | "sum";
  values: Values;
}

/** The buffers of a run with their starting contents: `fill` in outputs, random numbers that every type holds in sums. */
function planBuffers(run: OpRun, fill = Number.NaN): { buffers: Plan[]; absent: string[] } {
  const absent: string[] = [];
  const buffers: Plan[] = [];
  const add = (name: string, kind: Plan["kind"], values: Values | undefined) => {
    if (values === undefined) absent.push(name);
    else buffers.push({ name, kind, values });
  };
  for (const [name, values] of Object.entries(run.inputs)) add(name, "input", values);
  for (const [name, count] of Object.entries(run.outputs ?? {})) {
    add(name, "output", count === undefined ? undefined : new Float32Array(count).fill(fill));
  }
  for (const [name, count] of Object.entries(run.sums ?? {})) {
    add(name, "sum", count === undefined ? undefined : fromBf16(toBf16(new Draw(name).normal(count))));
  }
  return { buffers, absent };
}

function pointerTable(entries: [string, Pointer][], absent: string[]): Pointers {
  const table = new Map([...entries, ...absent.map((name): [string, Pointer] => [name, 0])]);
  return new Proxy({} as Pointers, {
    get: (_, name: string) => {
      const pointer = table.get(name);
      if (pointer === undefined) throw new Error(`the case has no buffer ${name}`);
      return pointer;
    },
  });
}

/** What the reference computes in float64, optionally with one element of an input moved by `step`. */
function runReference(
  run: OpRun,
  { moved, fill }: { moved?: { name: string; element: number; step: number }; fill?: number } = {},
): Record<string, Float64Array> {
  const { buffers, absent } = planBuffers(run, fill);
  const memory = new DoubleMemory(buffers.reduce((sum, { values }) => sum + values.length, 0));
  const pointers = buffers.map(({ name, values }): [string, Pointer] => [name, memory.allocate(values.length)]);
  for (const [i, { name, values }] of buffers.entries()) {
    const pointer = pointers[i][1];
    if (values instanceof Float32Array) memory.floats(pointer, values.length).set(values);
    else memory.words(pointer, values.length).set(values);
    if (moved?.name === name) memory.floats(pointer, values.length)[moved.element] += moved.step;
  }
  run.run(referenceKernels(memory), pointerTable(pointers, absent));
  return Object.fromEntries(
    buffers.flatMap(({ name, kind, values }, i) =>
      kind === "input" ? [] : [[name, Float64Array.from(memory.floats(pointers[i][1], values.length))]],
    ),
  );
}

async function runEngine(
  backend: Backend,
  { run, roles }: Case,
  inPlace: Record<string, string> = {},
): Promise<Record<string, Float32Array>> {
  const { heap } = backend;
  const kernels = roles === null ? backend.kernels : backend.bf16Kernels!;
  const isHalf = (name: string) => roles?.get(name) === "activation";
  const { buffers, absent } = planBuffers(run);
  const blocks = buffers.map(({ name, values }, i) => {
    const stored = isHalf(name) ? toBf16(values as Float32Array) : values;
    // Ranges inside a larger buffer have any multiple of four as their address.
    const lead = GUARD_BYTES + 4 * (i % 3);
    const end = lead + stored.byteLength;
    const bytes = new Uint8Array(4 * Math.ceil(end / 4) + GUARD_BYTES).fill(GUARD_BYTE);
    bytes.set(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength), lead);
    const base = heap.allocate(bytes.length, name, roles?.get(name) === "weight");
    heap.upload(base, bytes);
    return { base, lead, end, bytes };
  });
  const read = (name: string, bytes: ArrayBuffer) => (isHalf(name) ? fromBf16(new Uint16Array(bytes)) : new Float32Array(bytes));
  const pointers = buffers.map(({ name }, i): [string, Pointer] => {
    const at = inPlace[name] === undefined ? i : buffers.findIndex((buffer) => buffer.name === inPlace[name]);
    return [name, blocks[at].base + blocks[at].lead];
  });
  run.run(kernels, pointerTable(pointers, absent));

  const results: Record<string, Float32Array> = {};
  for (const [i, { name, kind }] of buffers.entries()) {
    const { base, lead, end, bytes } = blocks[i];
    const after = new Uint8Array(await heap.download(base, bytes.length));
    const overrun = after.findIndex((byte, at) => (at < lead || at >= end) && byte !== GUARD_BYTE);
    if (overrun >= 0) throw new Error(`${name}: byte ${overrun - lead} of ${end - lead} was written, outside the buffer`);
    const shared = Object.values(inPlace).includes(name);
    if (kind === "input" && !shared && bytes.some((byte, at) => byte !== after[at])) throw new Error(`${name}: the input was changed`);
    if (kind !== "input" && inPlace[name] === undefined) results[name] = read(name, after.slice(lead, end).buffer);
  }
  for (const [name, input] of Object.entries(inPlace)) {
    const { base, lead, end } = blocks[buffers.findIndex((buffer) => buffer.name === input)];
    results[name] = read(name, await heap.download(base + lead, end - lead));
  }
  for (const { base } of blocks) heap.free(base);
  return results;
}

function compare(actual: Record<string, Float32Array>, { run, roles, expected }: Case): void {
  const rounded = roles === null ? undefined : run.rounded?.(expected);
  for (const [name, wanted] of Object.entries(expected)) {
    const scale = wanted.reduce((largest, value) => (Number.isFinite(value) ? Math.max(largest, Math.abs(value)) : largest), 0);
    for (let e = 0; e < wanted.length; e++) {
      const got = actual[name][e];
      const own = roles?.get(name) === "activation" ? Math.abs(wanted[e]) : 0;
      const halves = BF16_ROUNDING * (own + (rounded?.[name] ?? 0));
      const allowed = Math.max(UNDERFLOW, TOLERANCE.f32 * (run.scalars?.includes(name) ? Math.abs(wanted[e]) : scale) + halves);
      if (Object.is(got, wanted[e]) || Math.abs(got - wanted[e]) <= allowed) continue;
      throw new Error(`${name}[${e}] of ${wanted.length}: expected ${wanted[e]} ± ${allowed.toExponential(1)}, got ${got}`);
    }
  }
}

/** Holds the reference's gradients against central differences of its loss, at up to 24 elements of each input. */
export function checkDifferences({ run, expected }: Case): void {
  const { buffers } = planBuffers(run);
  const { loss = {}, gradients = {} } = run;
  const lossOf = (results: Record<string, Float64Array>) => {
    let total = 0;
    for (const [output, weights] of Object.entries(loss)) {
      const factors = typeof weights === "string" ? (run.inputs[weights] as Float32Array) : weights;
      for (let e = 0; e < factors.length; e++) if (factors[e] !== 0) total += factors[e] * results[output][e];
    }
    return total;
  };
  for (const [input, gradient] of Object.entries(gradients)) {
    const values = run.inputs[input];
    if (values === undefined) continue;
    const before = buffers.find(({ name }) => name === gradient)!;
    const after = before.kind === "input" ? Float64Array.from(before.values) : expected[gradient];
    const claimed = after.map((value, e) => (before.kind === "sum" ? value - before.values[e] : value));
    const scale = claimed.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-3);
    const probes = Math.min(values.length, 24);
    for (let probe = 0; probe < probes; probe++) {
      const element = Math.floor((probe * values.length) / probes);
      const move = (step: number) => lossOf(runReference(run, { moved: { name: input, element, step } }));
      const difference = (move(DIFFERENCE_STEP) - move(-DIFFERENCE_STEP)) / (2 * DIFFERENCE_STEP);
      if (Math.abs(difference - claimed[element]) <= DIFFERENCE_TOLERANCE * scale) continue;
      throw new Error(`${gradient}[${element}]: finite differences give ${difference}, the reference ${claimed[element]}`);
    }
  }
}
