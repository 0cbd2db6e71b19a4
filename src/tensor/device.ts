import type { Backend, Heap } from "../backend/backend.js";
import type { Kernels, Pointer } from "../backend/kernels.js";
import { captureKey } from "./capture-key.js";
import { Allocation, Arena, type Lifetime } from "./memory.js";
import { Scope } from "./scope.js";
import { countOf, type Shape } from "./shape.js";
import { Tape } from "./tape.js";
import { bytesOf, type DType, type Float, type HostArray, Tensor } from "./tensor.js";

/** Where the per-step values are, as element offsets; the first four are what the adamw kernel reads. */
const SCALARS = { learningRate: 0, stepSize: 1, rsqrtCorrection: 2, epsilon: 3, emaDecay: 4, normalizer: 5 } as const;

/** Names of the per-step values that kernels read through a pointer, so that a captured step sees new ones. */
export type ScalarName = keyof typeof SCALARS;

/** An engine with its memory: makes tensors, opens scopes, holds the tape and the per-step values. */
export class Device implements Disposable {
  /** The kernels for state, and for activations in float32; see {@link Tensor.kernels} for those of a tensor's type. */
  readonly kernels: Kernels;
  /** The type of what models compute; parameters, gradients, targets and losses are f32 whatever it is. */
  readonly activation: Float;
  readonly heap: Heap;
  readonly tape = new Tape();
  /** The random state that kernels read: { seed low, seed high, step, first sample }. */
  readonly rng: Tensor<"u32">;
  readonly #scalars: Tensor<"f32">;
  readonly #scalarValues = new Float32Array(Object.keys(SCALARS).length);
  readonly #arena: Arena;
  readonly #lifetime: Lifetime & { ended: boolean } = { ended: false };
  readonly #path: string[] = [];
  readonly #fixed = new Map<string, Tensor<"i32">>();
  #scope: Scope | null = null;
  #allocated: Pointer[] | null = null;
  #observer: ((tensor: Tensor) => void) | null = null;
  /** What the innermost {@link resultOf} or {@link temporarily} has made. */
  #made: Tensor[] | null = null;

  constructor(readonly backend: Backend) {
    this.kernels = backend.kernels;
    this.activation = backend.bf16Kernels === undefined ? "f32" : "bf16";
    this.heap = backend.heap;
    this.#arena = new Arena(backend.heap);
    this.rng = this.state([4], "rng", "u32");
    this.setRandom(0, 0, 0);
    this.#scalars = this.state([this.#scalarValues.length], "scalars");
    this.setScalars({});
  }

  /** A tensor that lives until {@link release}: parameters, optimizer state, batches. Contents undefined. */
  state<D extends DType = "f32">(shape: Shape, label: string, dtype: D = "f32" as D): Tensor<D> {
    return this.#state(this.heap.allocate(bytesOf(countOf(shape), dtype), label), shape, label, dtype);
  }

  /** The same for flat parameters, which products may read in the type of the activations. */
  parameters(count: number, label: string): Tensor<"f32"> {
    return this.#state(this.heap.allocate(bytesOf(count, "f32"), label, true), [count], label, "f32");
  }

  /** Runs `body`, which makes state and returns it; when it throws (memory may run out in between), what it made is freed. */
  allocating<R>(body: () => R): R {
    const outer = this.#allocated;
    const inner: Pointer[] = [];
    this.#allocated = inner;
    try {
      const result = body();
      outer?.push(...inner);
      return result;
    } catch (error) {
      for (const pointer of inner) this.heap.free(pointer);
      throw error;
    } finally {
      this.#allocated = outer;
    }
  }

  /** A tensor over memory that somebody else allocated and releases. */
  view<D extends DType = "f32">(pointer: Pointer, shape: Shape, label: string, dtype: D = "f32" as D): Tensor<D> {
    return new Tensor(this, pointer, shape, dtype, label, this.#lifetime);
  }

  /** Frees a tensor made by {@link state}; it must not be used afterwards. */
  release(tensor: Tensor): void {
    if (!this.#lifetime.ended) this.heap.free(tensor.ptr);
  }

  /** A tensor of the innermost scope, contents undefined. Throws outside of a scope. */
  empty<D extends DType = "f32">(shape: Shape, label: string, dtype: D = "f32" as D): Tensor<D> {
    const scope = this.#scope;
    if (scope === null) throw new Error(`${label}: made outside of a scope\nwrap the computation in device.scoped(() => ...)`);
    const name = this.#path.length > 0 ? `${this.#path.join(".")} ${label}` : label;
    const tensor = new Tensor(this, this.#arena.allocate(bytesOf(countOf(shape), dtype), name), shape, dtype, name, new Allocation(scope));
    this.#observer?.(tensor);
    this.#made?.push(tensor);
    return tensor;
  }

  /** Runs `body`, and discards what it made beside its result, unless a gradient may need it: nothing else of it may be used afterwards. */
  resultOf(body: () => Tensor): Tensor {
    if (this.tape.recording) return body();
    return this.#discarding(body, (result) => result.ptr);
  }

  /** Runs `body`, and discards what it made. Unlike a scope's, its memory may be what was discarded before, and goes to what comes after. */
  temporarily(body: () => void): void {
    this.#discarding(body, () => null);
  }

  /** Ends a tensor made by {@link empty} before its scope does: the next one of its size gets its memory. Its views end with it. */
  discard(tensor: Tensor): void {
    // Who observes a step reads its tensors afterwards.
    if (this.#observer === null) this.#arena.release(tensor.discarded(), tensor.byteLength);
  }

  /** A tensor of the innermost scope with the given values, rounded to `dtype`. */
  from<D extends Float = "f32">(values: Float32Array | readonly number[], shape: Shape, label = "from", dtype: D = "f32" as D): Tensor<D> {
    const tensor = this.empty(shape, label, dtype);
    const array = values instanceof Float32Array ? values : Float32Array.from(values);
    tensor.write(array as HostArray[D]);
    return tensor;
  }

  /** As {@link from}, for indices. */
  fromIndices(values: Int32Array, shape: Shape, label = "indices"): Tensor<"i32"> {
    const tensor = this.empty(shape, label, "i32");
    tensor.write(values);
    return tensor;
  }

  /**
   * Indices that follow from `key` alone (which names the shape), made once and kept until the device is closed: after the first time a step
   * takes nothing from the host for them, so that it can be recorded.
   */
  fixedIndices(key: string, shape: Shape, make: () => Int32Array): Tensor<"i32"> {
    let tensor = this.#fixed.get(key);
    if (tensor === undefined) {
      tensor = this.state(shape, key, "i32");
      tensor.write(make());
      this.#fixed.set(key, tensor);
    }
    return tensor;
  }

  /** Opens a scope; the caller ends it. */
  scope(): Scope {
    const [parent, made] = [this.#scope, this.#made];
    this.#made = null;
    this.#scope = new Scope(this, this.#arena, parent, (leaving) => {
      if (this.#scope !== leaving) throw new Error("scope: ended while a scope opened inside it is still open");
      this.#scope = parent;
      this.#made = made;
    });
    return this.#scope;
  }

  /** Runs `body` in a scope of its own. A promise keeps the scope open until it settles. */
  scoped<R>(body: (scope: Scope) => R): R {
    if (this.#observer !== null && this.#scope !== null) return body(this.#scope);
    const scope = this.scope();
    let result: R;
    try {
      result = body(scope);
    } catch (error) {
      this.#unwind(scope);
      throw error;
    }
    if (result instanceof Promise) return result.finally(() => this.#unwind(scope)) as R;
    scope.end();
    return result;
  }

  /** Runs `body` with `name` in front of the labels of what it makes, so that an error can say where a tensor comes from. */
  within<R>(name: string, body: () => R): R {
    this.#path.push(name);
    try {
      return body();
    } finally {
      this.#path.pop();
    }
  }

  /**
   * Calls `observer` with every tensor made while `body` runs, before its contents are computed. Scopes that `body` opens by {@link scoped}
   * don't end meanwhile, so that every tensor can be read afterwards.
   */
  observe<R>(observer: (tensor: Tensor) => void, body: () => R): R {
    const before = this.#observer;
    this.#observer = observer;
    try {
      return body();
    } finally {
      this.#observer = before;
    }
  }

  /** Runs `body` without recording it: for the teacher and for inference. */
  noGrad<R>(body: () => R): R {
    return this.tape.paused(body);
  }

  /**
   * Turns a step into one that may be recorded and replayed, see {@link Backend.capture}. What `run` computes must follow from the tensors,
   * numbers and strings among its arguments; what it makes on the host besides is made only when it isn't replayed.
   */
  capture<A extends unknown[]>(run: (...args: A) => void): (...args: A) => void {
    const attempt = (...args: A) => {
      const mark = this.#arena.enter();
      try {
        run(...args);
      } catch (error) {
        // It may run once more.
        this.tape.clear();
        this.#arena.rewind(mark);
        throw error;
      }
    };
    return this.backend.capture(attempt, (...args) => `${this.#arena.place} ${captureKey(args)}`);
  }

  /** The kernels for activations of a type; `label` is for the error, which other types get. */
  kernelsOf(dtype: DType, label: string): Kernels {
    const kernels = dtype === "f32" ? this.kernels : dtype === "bf16" ? this.backend.bf16Kernels : undefined;
    if (kernels === undefined) throw new TypeError(`${label}: expected a tensor of ${this.activation}, got ${dtype}`);
    return kernels;
  }

  /** Address of a per-step value. */
  scalar(name: ScalarName): Pointer {
    return this.#scalars.ptr + SCALARS[name] * 4;
  }

  /** Sets per-step values; kernels issued afterwards see them. */
  setScalars(values: Partial<Record<ScalarName, number>>): void {
    for (const [name, value] of Object.entries(values)) this.#scalarValues[SCALARS[name as ScalarName]] = value;
    this.#scalars.write(this.#scalarValues);
  }

  /** Sets the random state: the run's seed (below 2^53), the step, and the place of the batch's first sample in the whole batch. */
  setRandom(seed: number, step: number, firstSample: number): void {
    this.rng.write(Uint32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32), step, firstSample));
  }

  /** Frees everything and ends the engine. */
  close(): void {
    if (this.#lifetime.ended) return;
    this.#lifetime.ended = true;
    this.backend.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #state<D extends DType>(pointer: Pointer, shape: Shape, label: string, dtype: D): Tensor<D> {
    this.#allocated?.push(pointer);
    return new Tensor(this, pointer, shape, dtype, label, this.#lifetime);
  }

  #discarding<R>(body: () => R, kept: (result: R) => Pointer | null): R {
    const outer = this.#made;
    const made: Tensor[] = [];
    this.#made = made;
    try {
      const result = body();
      const pointer = kept(result);
      for (const tensor of made) {
        if (tensor.ended) continue;
        if (tensor.ptr === pointer) outer?.push(tensor);
        else this.discard(tensor);
      }
      return result;
    } finally {
      this.#made = outer;
    }
  }

  #unwind(scope: Scope): void {
    this.tape.clear();
    while (this.#scope !== null && !scope.ended) this.#scope.end();
  }
}
