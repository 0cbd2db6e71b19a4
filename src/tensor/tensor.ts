import type { Kernels, Pointer } from "../backend/kernels.js";
import { fromBf16, toBf16 } from "./bf16.js";
import type { Device } from "./device.js";
import { Allocation, type Lifetime } from "./memory.js";
import { countOf, formatShape, type Shape } from "./shape.js";

/** Types that values are computed in; `bf16` is for activations, on a device that was opened for it. */
export type Float = "f32" | "bf16";

/** Element type. */
export type DType = Float | "i32" | "u32";

/** Host arrays that match the element types; values of either float type are float32 on the host. */
export interface HostArray {
  f32: Float32Array;
  bf16: Float32Array;
  i32: Int32Array;
  u32: Uint32Array;
}

const BYTES: Record<DType, number> = { f32: 4, bf16: 2, i32: 4, u32: 4 };
const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array };

/** Bytes that as many elements take. */
export function bytesOf(count: number, dtype: DType): number {
  return count * BYTES[dtype];
}

/** Throws `linear: weight: expected f32, got bf16` unless a tensor, where there is one, is of that type. */
export function expectType(where: string, tensor: Tensor | null, expected: DType): void {
  if (tensor !== null && tensor.dtype !== expected) throw new TypeError(`${where}: expected ${expected}, got ${tensor.dtype}`);
}

/** A view of device memory: an address, a shape, and the scope it lives in. */
export class Tensor<D extends DType = DType> {
  readonly count: number;
  /** Whether a gradient flows into this tensor. */
  requiresGrad = false;
  /** The gradient, once something has flowed into it during `backward`. */
  grad: Tensor | null = null;

  constructor(
    readonly device: Device,
    private readonly address: Pointer,
    readonly shape: Shape,
    readonly dtype: D,
    readonly label: string,
    private readonly lifetime: Lifetime,
  ) {
    this.count = countOf(shape);
  }

  /** The address in the engine's heap. Throws when the tensor was discarded, or its scope has ended. */
  get ptr(): Pointer {
    if (this.ended) {
      const end = this.lifetime instanceof Allocation && this.lifetime.discarded ? "it was discarded" : "its scope ended";
      throw new Error(`tensor ${this.label} ${formatShape(this.shape)} was used after ${end}`);
    }
    return this.address;
  }

  /** Whether it was discarded, or its scope has ended. */
  get ended(): boolean {
    return this.lifetime.ended;
  }

  /** For {@link Device.discard}: ends the tensor and its views, and gives their address. */
  discarded(): Pointer {
    const { ptr, lifetime, label } = this;
    if (!(lifetime instanceof Allocation)) throw new Error(`${label}: only tensors of a scope can be discarded`);
    lifetime.discarded = true;
    return ptr;
  }

  get byteLength(): number {
    return bytesOf(this.count, this.dtype);
  }

  /** The kernels that work on activations of this type. Throws for indices. */
  get kernels(): Kernels {
    return this.device.kernelsOf(this.dtype, this.label);
  }

  /** The same memory with another shape of the same count; it carries no gradient. */
  reshape(shape: Shape): Tensor<D> {
    if (countOf(shape) !== this.count) {
      throw new Error(`reshape: ${formatShape(this.shape)} has ${this.count} elements, ${formatShape(shape)} has ${countOf(shape)}`);
    }
    return new Tensor(this.device, this.ptr, shape, this.dtype, this.label, this.lifetime);
  }

  /** Copies host values in, rounded where the type is narrower; as many as the tensor holds. */
  write(values: HostArray[D]): void {
    if (values.length !== this.count) throw new Error(`${this.label}: write: expected ${this.count} values, got ${values.length}`);
    const stored = this.dtype === "bf16" ? toBf16(values as Float32Array) : values;
    this.device.heap.upload(this.ptr, new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
  }

  /** Copies the values out, after all work issued so far: the only point where the host waits. */
  async read(): Promise<HostArray[D]> {
    const bytes = await this.device.heap.download(this.ptr, this.byteLength);
    const { dtype }: { dtype: DType } = this;
    return (dtype === "bf16" ? fromBf16(new Uint16Array(bytes)) : new ARRAYS[dtype](bytes)) as HostArray[D];
  }
}
