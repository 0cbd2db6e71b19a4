/** Names the arguments of a captured step. */
import { Tensor } from "./tensor.js";

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/**
 * The same for two values exactly when a step that is given them issues the same work: tensors by address, shape and type, plain objects and
 * arrays by what is in them, numbers and strings by value, all other objects by identity.
 */
export function captureKey(value: unknown): string {
  if (value instanceof Tensor) return `${value.dtype}@${value.ptr}[${value.shape.join()}]${value.requiresGrad ? "'" : ""}`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" && typeof value !== "function") return String(value);
  if (value === null) return "null";
  if (Array.isArray(value)) return `[${value.map(captureKey).join(" ")}]`;
  if (Object.getPrototypeOf(value) === Object.prototype) {
    return `{${Object.entries(value)
      .map(([name, entry]) => `${name}:${captureKey(entry)}`)
      .join(" ")}}`;
  }
  const known = numbers.get(value) ?? ++lastNumber;
  numbers.set(value, known);
  return `#${known}`;
}
