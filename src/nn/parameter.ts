import type { Philox } from "../backend/philox.js";
import type { Device } from "../tensor/device.js";
import { countOf, type Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/** How a parameter starts. A truncated normal is cut off at `clip` standard deviations (none when absent). */
export type Init =
  | { kind: "constant"; value: number }
  | { kind: "normal"; std: number; clip?: number }
  | { kind: "uniform"; low: number; high: number };

/** Attributes of a parameter beside its shape. */
export interface ParameterOptions {
  init: Init;
  /** False exempts it from weight decay whatever its shape; vectors are always exempt. */
  decay?: boolean;
  /** Elements that are never trained (their gradient is cleared): the key part of a query-key-value bias, where the key has none. */
  frozen?: { start: number; count: number } | null;
  /** Elements that start at zero whatever `init` says: the row of a table that stands for padding. */
  zero?: { start: number; count: number } | null;
  /** Depth for layer-wise learning-rate decay, where it isn't that of the module. */
  layer?: number;
}

/** A learned array: declared by a module, given memory by {@link ParameterStore}. */
export class Parameter {
  readonly count: number;
  /** Whether weight decay acts on it (BEiT's rule: matrices, unless exempted). */
  readonly decays: boolean;
  readonly frozen: { start: number; count: number } | null;
  readonly layer: number | null;
  readonly #init: Init;
  readonly #zero: { start: number; count: number } | null;
  #value: Tensor<"f32"> | null = null;

  constructor(
    readonly shape: Shape,
    { init, decay = true, frozen = null, zero = null, layer }: ParameterOptions,
  ) {
    this.count = countOf(shape);
    this.decays = decay && shape.length > 1;
    this.frozen = frozen;
    this.layer = layer ?? null;
    this.#init = init;
    this.#zero = zero;
  }

  /** The tensor behind it. Throws before a store has given it memory. */
  get value(): Tensor<"f32"> {
    if (this.#value === null) throw new Error("parameter used before its module was given memory by a ParameterStore");
    return this.#value;
  }

  /** Called by the store that gives it memory; `gradient` 0 for a parameter that is never trained. */
  bind(device: Device, label: string, pointer: number, gradient: number): void {
    this.#value = device.view(pointer, this.shape, label);
    if (gradient === 0) return;
    this.#value.requiresGrad = true;
    this.#value.grad = device.view(gradient, this.shape, `gradient of ${label}`);
  }

  /** Draws the initial values. */
  draw(random: Philox): Float32Array {
    const values = drawInit(this.#init, this.count, random);
    if (this.#zero !== null) values.fill(0, this.#zero.start, this.#zero.start + this.#zero.count);
    return values;
  }
}

function drawInit(init: Init, count: number, random: Philox): Float32Array {
  const values = new Float32Array(count);
  if (init.kind === "constant") return values.fill(init.value);
  if (init.kind === "uniform") return values.map(() => init.low + (init.high - init.low) * random.uniform());
  const clip = init.clip ?? Number.POSITIVE_INFINITY;
  return values.map(() => {
    let z = random.normal();
    while (Math.abs(z) > clip) z = random.normal();
    return z * init.std;
  });
}
