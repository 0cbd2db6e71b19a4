import { resolveModelFolder } from "../checkpoint/directory.js";
import { writeParameters } from "../checkpoint/parameters.js";
import type { LoadedModel, Modality, RunConfig } from "../modalities/modality.js";
import type { Device } from "../tensor/device.js";
import { Model } from "./model.js";

/** A model on a device, with what its folder says about it. */
export interface InferenceModel<C, I> extends Omit<LoadedModel<C, I>, "parameters" | "encoder" | "head"> {
  model: Model<I>;
  /** The folder that holds it. */
  folder: string;
}

/**
 * Loads a model for inference: a run folder, a checkpoint or a Hugging Face folder.
 *
 * @throws CheckpointError saying what is missing or doesn't fit
 */
export async function loadModel<C extends RunConfig, I>(
  device: Device,
  modality: Modality<C, I>,
  path: string,
): Promise<InferenceModel<C, I>> {
  const { folder } = await resolveModelFolder(path);
  const { parameters, encoder, head, ...loaded } = await modality.loadModel(folder);
  const model = new Model(device, encoder, head, { trainable: false });
  try {
    writeParameters(model.store, parameters);
  } catch (error) {
    model.release();
    throw error;
  }
  return { ...loaded, model, folder };
}
