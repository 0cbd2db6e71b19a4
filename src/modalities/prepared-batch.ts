import type { Device } from "../tensor/device.js";

/** A batch in host memory that is ready for the device; `I` is what the task computes on. */
export interface PreparedBatch<I> {
  /** Samples. */
  readonly size: number;
  /** What the loss is divided by: masked positions, samples, ... */
  readonly weight: number;
  /** Where the samples come from, for errors. */
  readonly names: readonly string[];
  /** Copies the batch to the device, into the innermost scope. */
  upload(device: Device): I;
}
