import { type HostTensor, hostTensor } from "../checkpoint/safetensors.js";
import type { RawInput } from "../modalities/modality.js";
import type { PreparedBatch } from "../modalities/prepared-batch.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Model } from "./model.js";

/**
 * Outputs of a model under Hugging Face's names: `last_hidden_state`, `hidden_states.0` (the embedding) to `hidden_states.L`,
 * `pooler_output`, and `logits` for a model with a classifier.
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
    return result;
  });
}
