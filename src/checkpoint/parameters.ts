import type { ParameterStore } from "../nn/parameter-store.js";
import type { Tensor } from "../tensor/tensor.js";
import { CheckpointError } from "./error.js";
import { type HostTensor, hostTensor, toFloat32 } from "./safetensors.js";

/**
 * The parameters of a store as host tensors by name; `flat` takes other flat memory of the same layout instead (gradients, moments).
 */
export async function readParameters(store: ParameterStore, flat: Tensor<"f32"> = store.values): Promise<Map<string, HostTensor>> {
  const values = await flat.read();
  return new Map(
    store.entries.map(({ name, parameter, offset }) => [
      name,
      hostTensor([...parameter.shape], values.slice(offset, offset + parameter.count)),
    ]),
  );
}

/** Fills a store (or other flat memory of its layout) from host tensors by name. Throws {@link CheckpointError} listing what doesn't fit. */
export function writeParameters(
  store: ParameterStore,
  tensors: ReadonlyMap<string, HostTensor>,
  flat: Tensor<"f32"> = store.values,
  { allowMissing = () => false }: { allowMissing?: (name: string) => boolean } = {},
): void {
  const problems: string[] = [];
  for (const { name, parameter } of store.entries) {
    const tensor = tensors.get(name);
    if (tensor === undefined) {
      if (!allowMissing(name)) problems.push(`${name} is missing`);
    } else if (tensor.shape.join() !== parameter.shape.join()) {
      problems.push(`${name}: expected [${parameter.shape.join(",")}], got [${tensor.shape.join(",")}]`);
    }
  }
  if (problems.length > 0) throw new CheckpointError(`the checkpoint is of another architecture: ${problems.join("; ")}`);
  for (const { name, parameter, offset } of store.entries) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    store.device.view(flat.ptr + offset * 4, parameter.shape, name).write(toFloat32(tensor, name));
  }
}
