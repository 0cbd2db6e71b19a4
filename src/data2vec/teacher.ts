import type { ParameterStore } from "../nn/parameter-store.js";
import type { Device } from "../tensor/device.js";

/** The schedule of the teacher's decay (paper section 3.2). */
export interface EmaSchedule {
  /** Decay at the start. */
  emaDecay: number;
  /** Decay from `emaAnnealUpdates` on. */
  emaEndDecay: number;
  /** Updates over which it rises linearly. */
  emaAnnealUpdates: number;
}

/** Decay τ of the given update; the first is 1. */
export function emaDecayAt({ emaDecay, emaEndDecay, emaAnnealUpdates }: EmaSchedule, update: number): number {
  if (update >= emaAnnealUpdates) return emaEndDecay;
  return emaEndDecay - (emaEndDecay - emaDecay) * (1 - update / emaAnnealUpdates);
}

/**
 * The teacher's parameters as an exponential moving average of the student's, in f32: teacher = τ · teacher + (1 - τ) · student, once per
 * optimizer update. It starts as a copy of the student.
 */
export class EmaTeacher {
  readonly #device: Device;
  /** Stretches that lie together in both stores, as element offsets. */
  readonly #runs: { teacher: number; student: number; count: number }[] = [];

  constructor(
    readonly teacher: ParameterStore,
    private readonly student: ParameterStore,
  ) {
    this.#device = teacher.device;
    const entries = teacher.entries.map((entry) => ({ entry, source: student.entry(entry.name) }));
    for (const { entry, source } of entries) {
      const last = this.#runs.at(-1);
      const end = (offset: number) => offset + entry.parameter.count;
      if (last !== undefined && entry.offset - last.teacher === source.offset - last.student) {
        last.count = end(entry.offset) - last.teacher;
      } else {
        this.#runs.push({ teacher: entry.offset, student: source.offset, count: entry.parameter.count });
      }
    }
  }

  /** Makes the teacher a copy of the student. */
  copyStudent(): void {
    for (const { teacher, student, count } of this.#runs) {
      this.#device.kernels.copy(this.teacher.values.ptr + teacher * 4, this.student.values.ptr + student * 4, count);
    }
  }

  /** One step towards the student with the decay in the device scalar `emaDecay`; 1 leaves the teacher as it is. */
  update(): void {
    const decay = this.#device.scalar("emaDecay");
    for (const { teacher, student, count } of this.#runs) {
      this.#device.kernels.ema(this.teacher.values.ptr + teacher * 4, this.student.values.ptr + student * 4, decay, count);
    }
  }
}
