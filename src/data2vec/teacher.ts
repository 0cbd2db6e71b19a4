import type { Pointer } from "../backend/kernels.js";
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

/** A stretch that lies together in both stores, as element offsets. */
interface Run {
  readonly teacher: number;
  readonly student: number;
  readonly copied: boolean;
  count: number;
}

/**
 * The teacher's parameters as an exponential moving average of the student's, in f32: teacher = τ · teacher + (1 - τ) · student, once per
 * optimizer update; those that start with one of `copied` follow the student at once. It starts as a copy of the student.
 */
export class EmaTeacher {
  readonly #device: Device;
  readonly #runs: Run[] = [];

  constructor(
    readonly teacher: ParameterStore,
    private readonly student: ParameterStore,
    copied: readonly string[] = [],
  ) {
    this.#device = teacher.device;
    for (const entry of teacher.entries) {
      const source = student.entry(entry.name);
      const isCopied = copied.some((prefix) => entry.name.startsWith(prefix));
      const last = this.#runs.at(-1);
      if (last?.copied === isCopied && entry.offset - last.teacher === source.offset - last.student) {
        last.count = entry.offset + entry.parameter.count - last.teacher;
      } else {
        this.#runs.push({ teacher: entry.offset, student: source.offset, copied: isCopied, count: entry.parameter.count });
      }
    }
  }

  /** Makes the teacher a copy of the student. */
  copyStudent(): void {
    for (const run of this.#runs) this.#copy(run);
  }

  /** One step towards the student with the decay in the device scalar `emaDecay`; 1 leaves the teacher as it is, but for what is copied. */
  update(): void {
    const decay = this.#device.scalar("emaDecay");
    for (const run of this.#runs) {
      if (run.copied) this.#copy(run);
      else this.#device.kernels.ema(this.#teacherAt(run), this.#studentAt(run), decay, run.count);
    }
  }

  #copy(run: Run): void {
    this.#device.kernels.copy(this.#teacherAt(run), this.#studentAt(run), run.count);
  }

  #teacherAt({ teacher }: Run): Pointer {
    return this.teacher.values.ptr + teacher * 4;
  }

  #studentAt({ student }: Run): Pointer {
    return this.student.values.ptr + student * 4;
  }
}
