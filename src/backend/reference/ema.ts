import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** teacher = decay * teacher + (1 - decay) * student */
export function ema(memory: Memory, teacher: Pointer, student: Pointer, decay: Pointer, count: number): void {
  const teachers = memory.floats(teacher, count);
  const students = memory.floats(student, count);
  const factor = memory.floats(decay, 1)[0];
  for (let i = 0; i < count; i++) teachers[i] = factor * teachers[i] + (1 - factor) * students[i];
}
