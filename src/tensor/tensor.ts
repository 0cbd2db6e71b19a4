import type { Pointer } from "../backend/kernels.js";
import type { Device } from "./device.js";
import type { Lifetime } from "./memory.js";
import { countOf, formatShape, type Shape } from "./shape.js";

/** Element type; every element takes four bytes. */
export type DType = "f32" | "i32" | "u32";

/** Host arrays that match the element types. */
export interface HostArray {
  f32: Float32Array;
  i32: Int32Array;
  u32: Uint32Array;
}

const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array };

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

  /** The address in the engine's heap. Throws when the tensor's scope has ended. */
  get ptr(): Pointer {
    if (this.lifetime.ended) throw new Error(`tensor ${this.label} ${formatShape(this.shape)} was used after its scope ended`);
    return this.address;
  }

  /** Whether its scope has ended. */
  get ended(): boolean {
    return this.lifetime.ended;
  }

  get byteLength(): number {
    return this.count * 4;
  }

  /** The same memory with another shape of the same count; it carries no gradient. */
  reshape(shape: Shape): Tensor<D> {
    if (countOf(shape) !== this.count) {
      throw new Error(`reshape: ${formatShape(this.shape)} has ${this.count} elements, ${formatShape(shape)} has ${countOf(shape)}`);
    }
    return new Tensor(this.device, this.ptr, shape, this.dtype, this.label, this.lifetime);
  }

  /** Copies host values in; as many as the tensor holds. */
  write(values: HostArray[D]): void {
    if (values.length !== this.count) throw new Error(`${this.label}: write: expected ${this.count} values, got ${values.length}`);
    this.device.heap.upload(this.ptr, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** Copies the values out, after all work issued so far: the only point where the host waits. */
  async read(): Promise<HostArray[D]> {
    const bytes = await this.device.heap.download(this.ptr, this.byteLength);
    return new ARRAYS[this.dtype](bytes) as HostArray[D];
  }
}
