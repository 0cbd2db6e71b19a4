import { type HostTensor, hostTensor } from "../checkpoint/safetensors.js";
import type { RawInput } from "../modalities/modality.js";
import type { PreparedBatch } from "../modalities/prepared-batch.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Model } from "./model.js";

/**
 * Outputs of a model under Hugging Face's names: `last_hidden_state`, `hidden_states.0` (the embedding) to `hidden_states.L`,
 * `pooler_output`, and `logits` for a model with a task; for inputs of unequal length also `lengths`, the valid positions of each.
 *
 * @param layers which hidden states, 0 the embedding; all when null
 */
export async function extract<I>(
  model: Model<I>,
  batch: PreparedBatch<RawInput<I>>,
  layers: readonly number[] | null,
): Promise<Map<string, HostTensor>> {
  const { device, encoder } = model;
  for (const layer of layers ?? []) {
    if (Number.isInteger(layer) && layer >= 0 && layer <= encoder.depth) continue;
    throw new RangeError(`extract: layer ${layer}: the model has layers 0 (the embedding) to ${encoder.depth}`);
  }
  return device.scoped(async () => {
    const { input, mask } = batch.upload(device);
    const hidden: Tensor[] = [];
    const {
      last,
      lengths,
      pooled,
      outputs: logits,
    } = device.noGrad(() =>
      model.forward(input, {
        mask,
        train: false,
        onEmbedding: (embedding) => hidden.push(embedding),
        onLayer: (_, { block }) => hidden.push(block),
      }),
    );
    const outputs = new Map<string, Tensor | null>([["last_hidden_state", last]]);
    for (const layer of layers ?? hidden.keys()) outputs.set(`hidden_states.${layer}`, hidden[layer]);
    outputs.set("pooler_output", pooled).set("logits", logits);
    const result = new Map<string, HostTensor>();
    for (const [name, tensor] of outputs) {
      if (tensor !== null) result.set(name, hostTensor([...tensor.shape], (await tensor.read()) as Float32Array));
    }
    if (lengths !== null) result.set("lengths", { dtype: "I32", shape: [...lengths.shape], data: (await lengths.read()) as Int32Array });
    return result;
  });
}

/** Outputs of several batches as one, along the first axis; positions are filled up with zeros to those of the longest batch. */
export function concatenateOutputs(parts: readonly ReadonlyMap<string, HostTensor>[]): Map<string, HostTensor> {
  const result = new Map<string, HostTensor>();
  const positions = parts.map((part) => part.get("last_hidden_state")!.shape[1]);
  const ragged = positions.some((count) => count !== positions[0]) || parts.some((part) => part.has("lengths"));
  for (const name of parts[0].keys()) {
    if (name === "lengths") continue;
    const pieces = parts.map((part) => part.get(name)!);
    const { shape } = pieces[0];
    const samples = pieces.reduce((total, piece) => total + piece.shape[0], 0);
    const longest = pieces.map((piece) => piece.shape.slice(1)).reduce((a, b) => a.map((length, axis) => Math.max(length, b[axis])));
    const stride = longest.reduce((product, length) => product * length, 1);
    const data = new Float32Array(samples * stride);
    let row = 0;
    for (const piece of pieces) {
      const own = piece.data.length / piece.shape[0];
      for (let i = 0; i < piece.shape[0]; i++, row++) data.set((piece.data as Float32Array).subarray(i * own, (i + 1) * own), row * stride);
    }
    result.set(name, hostTensor([samples, ...longest.slice(0, shape.length - 1)], data));
  }
  if (ragged) {
    const lengths = parts.flatMap((part, i) => {
      const own = part.get("lengths");
      const samples = part.get("last_hidden_state")!.shape[0];
      return own === undefined ? new Array<number>(samples).fill(positions[i]) : Array.from(own.data as Int32Array);
    });
    result.set("lengths", { dtype: "I32", shape: [lengths.length], data: Int32Array.from(lengths) });
  }
  return result;
}
