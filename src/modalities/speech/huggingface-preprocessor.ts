/** `preprocessor_config.json` as Hugging Face's Wav2Vec2FeatureExtractor reads and writes it. */
import { CheckpointError } from "../../checkpoint/error.js";
import { SAMPLE_RATE, type SpeechDataConfig } from "./config.js";

/** How clips become a model's input, in the terms of `data.*`. */
export interface ClipPreparation extends Pick<SpeechDataConfig, "normalize"> {
  notes: string[];
}

const TYPE = "Wav2Vec2FeatureExtractor";

/** The file's contents. */
export function clipPreparationToConfig({ normalize }: Pick<SpeechDataConfig, "normalize">): object {
  return {
    feature_extractor_type: TYPE,
    feature_size: 1,
    sampling_rate: SAMPLE_RATE,
    do_normalize: normalize,
    padding_side: "right",
    padding_value: 0,
    return_attention_mask: true,
  };
}

/**
 * Reads a parsed `preprocessor_config.json`; fields that old files omit have the defaults of the class.
 *
 * @param source names the file in messages
 * @throws CheckpointError naming the field that asks for what isn't supported
 */
export function clipPreparationFromConfig(json: unknown, source = "preprocessor_config.json"): ClipPreparation {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new CheckpointError(`${source}: expected a JSON object`);
  const fields = json as Record<string, unknown>;
  for (const [field, wanted] of [
    ["feature_extractor_type", TYPE],
    ["feature_size", 1],
    ["sampling_rate", SAMPLE_RATE],
    ["padding_side", "right"],
    ["padding_value", 0],
  ] as const) {
    const value = fields[field] ?? wanted;
    if (value !== wanted) {
      throw new CheckpointError(`${source}: ${field}: ${JSON.stringify(value)} is not supported, only ${JSON.stringify(wanted)}`);
    }
  }
  const flag = (field: string, otherwise: boolean): boolean => {
    const value = fields[field] ?? otherwise;
    if (typeof value !== "boolean") {
      throw new CheckpointError(`${source}: ${field}: expected true or false, got ${JSON.stringify(value)}`);
    }
    return value;
  };
  const notes = flag("return_attention_mask", false)
    ? []
    : [`${source}: the padding of shorter clips is masked here, where Hugging Face lets the model see it`];
  return { normalize: flag("do_normalize", true), notes };
}
