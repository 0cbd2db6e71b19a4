/**
 * data2vec for Node: self-supervised pretraining, fine-tuning and inference.
 *
 * @packageDocumentation
 */
import type { Backend } from "./backend/backend.js";
import { type EngineChoice, type OpenOptions, openBackend } from "./backend/open.js";
import { Device } from "./tensor/device.js";

export type { Backend, EngineName, Heap } from "./backend/backend.js";
export { OutOfMemoryError } from "./backend/backend.js";
export type { Precision } from "./backend/cuda.js";
export { type EngineStatus, engines } from "./backend/doctor.js";
export type { Kernels, Pointer } from "./backend/kernels.js";
export type { EngineChoice, OpenOptions } from "./backend/open.js";
export { CheckpointError } from "./checkpoint/error.js";
export { type HostTensor, type LazyTensor, readSafetensors, type TensorData, writeSafetensors } from "./checkpoint/safetensors.js";
export { ConfigError } from "./config/resolve.js";
export type { TrainConfig } from "./config/train.js";
export { letterVocabulary, PUBLISHED_VOCABULARY } from "./data/audio/vocabulary.js";
export { GLUE_COMMON, GLUE_TASKS } from "./data/text/glue.js";
export type { Tokenizer } from "./data/text/tokenizer.js";
export { openTokenizer, tokenizerFiles } from "./data/text/tokenizer-files.js";
export { trainTokenizer } from "./data/text/train-tokenizer.js";
export type { Modality, PresetName, RunConfig, Stage, TaskName } from "./modalities/modality.js";
export type { SpeechConfig } from "./modalities/speech/config.js";
export { speech } from "./modalities/speech/speech.js";
export type { TextConfig } from "./modalities/text/config.js";
export { text } from "./modalities/text/text.js";
export type { VisionConfig } from "./modalities/vision/config.js";
export { visionPresets } from "./modalities/vision/presets.js";
export { vision } from "./modalities/vision/vision.js";
export { readArpa } from "./tasks/ctc/arpa.js";
export { type BeamOptions, makeLexicon } from "./tasks/ctc/beam.js";
export { characterErrorRate, wordErrorRate } from "./tasks/ctc/error-rate.js";
export { type EvaluateOptions, type Evaluation, evaluate } from "./tasks/evaluate.js";
export { extract } from "./tasks/extract.js";
export { type FeatureOptions, pooledFeatures } from "./tasks/features.js";
export { accuracy, encoderFeatures, inputFeatures, type LabelledFeatures } from "./tasks/labelled-features.js";
export { type InferenceModel, loadModel } from "./tasks/load-model.js";
export { nearestNeighbours } from "./tasks/nearest-neighbours.js";
export { type Prediction, predict } from "./tasks/predict.js";
export type { Reading, TaskKind } from "./tasks/task-kind.js";
export { type ReadingOptions, taskKind } from "./tasks/task-kinds.js";
export { Device } from "./tensor/device.js";
export type { Scope } from "./tensor/scope.js";
export type { Shape } from "./tensor/shape.js";
export type { DType, Tensor } from "./tensor/tensor.js";
export { type ConfigOptions, loadConfig } from "./train/config.js";
export { TrainingError } from "./train/errors.js";
export { type FinetuneReport, type FinetuneRun, finetune } from "./train/finetune.js";
export { fitLinearProbe, type LinearProbe, type ProbeConfig } from "./train/linear-probe.js";
export { LockedError } from "./train/lock.js";
export { type PretrainRun, pretrain } from "./train/pretrain.js";
export type { StepReport } from "./train/trainer.js";

/** Opens a device on an engine; `auto` takes the best that is there. Close it with `using` or {@link Device.close}. */
export async function openDevice(engine: EngineChoice = "auto", options: OpenOptions = {}): Promise<Device> {
  const backend: Backend = await openBackend(engine, options);
  return new Device(backend);
}
