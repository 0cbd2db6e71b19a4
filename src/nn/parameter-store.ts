import { Philox } from "../backend/philox.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Module, NamedParameter } from "./module.js";

/** A parameter's place in the flat memory of its store, in elements. */
export interface StoredParameter extends NamedParameter {
  readonly offset: number;
  /** The module it belongs to, by the name given to the store. */
  readonly part: string;
}

/** A stretch of flat memory whose parameters are updated alike, in elements. */
export interface Run {
  readonly offset: number;
  readonly count: number;
  readonly layer: number;
  /** Whether it is a matrix that weight decay acts on. */
  readonly decays: boolean;
  /** The module it belongs to, by the name given to the store. */
  readonly part: string;
}

const ALIGNMENT = 16;

/**
 * The memory of a module's parameters, flat: values and gradients are one range each, so that zeroing is one fill, an update a few calls
 * and a moving average one. Parameters lie by (layer, decays, part), each aligned to 64 bytes; the padding stays zero.
 */
export class ParameterStore {
  readonly entries: readonly StoredParameter[];
  readonly runs: readonly Run[];
  /** Elements of flat memory, padding included. */
  readonly count: number;
  readonly values: Tensor<"f32">;
  readonly gradients: Tensor<"f32"> | null;
  readonly #constants: Tensor<"i32">[];

  /** Gives memory to every parameter and constant of `modules` (name to module); without gradients when `trainable` is false. */
  constructor(
    readonly device: Device,
    modules: Record<string, Module>,
    { trainable, label }: { trainable: boolean; label: string },
  ) {
    const prefixed = Object.entries(modules).map(([part, module]) => ({ part, prefix: part === "" ? "" : `${part}.`, module }));
    const named = prefixed.flatMap(({ part, prefix, module }) => [...module.namedParameters(prefix)].map((entry) => ({ ...entry, part })));
    const rank = (entry: NamedParameter) => (entry.parameter.decays ? 0 : 1);
    // The sort is stable, so that parts stay in their order within a layer.
    named.sort((a, b) => compareLayers(a.layer, b.layer) || rank(a) - rank(b));

    let offset = 0;
    this.entries = named.map((entry) => {
      const stored = { ...entry, offset };
      offset += Math.ceil(entry.parameter.count / ALIGNMENT) * ALIGNMENT;
      return stored;
    });
    this.count = offset;
    this.runs = mergeRuns(this.entries, offset);
    const constants = prefixed.flatMap(({ prefix, module }) => [...module.namedConstants(prefix)]);
    [this.values, this.gradients, this.#constants] = device.allocating(() => [
      device.parameters(offset, `${label} parameters`),
      trainable ? device.state([offset], `${label} gradients`) : null,
      constants.map(({ name, constant }) => device.state(constant.shape, name, "i32")),
    ]);
    device.kernels.fill(this.values.ptr, offset, 0);
    this.zeroGrad();
    for (const { name, parameter, offset: at } of this.entries) {
      parameter.bind(device, name, this.values.ptr + at * 4, this.gradients === null ? 0 : this.gradients.ptr + at * 4);
    }
    for (const [i, { constant }] of constants.entries()) constant.bind(this.#constants[i]);
  }

  /** Draws every parameter anew; each has a random stream of its own, so that adding one doesn't change the others. */
  initialize(seed: number): void {
    for (const { name, parameter } of this.entries) parameter.value.write(parameter.draw(new Philox(seed, `init ${name}`)));
  }

  zeroGrad(): void {
    if (this.gradients !== null) this.device.kernels.fill(this.gradients.ptr, this.count, 0);
  }

  /** Clears the gradients of what is never trained; before the norm of all gradients is taken. */
  clearFrozen(): void {
    if (this.gradients === null) return;
    for (const { parameter, offset } of this.entries) {
      if (parameter.frozen === null) continue;
      this.device.kernels.fill(this.gradients.ptr + (offset + parameter.frozen.start) * 4, parameter.frozen.count, 0);
    }
  }

  /** The entry of that name; throws when there is none. */
  entry(name: string): StoredParameter {
    const entry = this.entries.find((candidate) => candidate.name === name);
    if (entry === undefined) throw new Error(`no parameter is called ${name}`);
    return entry;
  }

  /** Frees the memory; the modules must not be used afterwards. */
  release(): void {
    this.device.release(this.values);
    if (this.gradients !== null) this.device.release(this.gradients);
    for (const constant of this.#constants) this.device.release(constant);
  }
}

function compareLayers(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function mergeRuns(entries: readonly StoredParameter[], end: number): Run[] {
  const starts = entries.filter(
    (entry, i) =>
      i === 0 ||
      entry.layer !== entries[i - 1].layer ||
      entry.parameter.decays !== entries[i - 1].parameter.decays ||
      entry.part !== entries[i - 1].part,
  );
  return starts.map((entry, i) => ({
    offset: entry.offset,
    count: (starts[i + 1]?.offset ?? end) - entry.offset,
    layer: entry.layer,
    decays: entry.parameter.decays,
    part: entry.part,
  }));
}
