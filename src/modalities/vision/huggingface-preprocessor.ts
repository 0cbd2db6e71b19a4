/** `preprocessor_config.json` as Hugging Face's BeitImageProcessor reads and writes it. */
import { CheckpointError } from "../../checkpoint/error.js";
import type { VisionArchitecture, VisionDataConfig } from "./config.js";

/** How images become a model's input, in the terms of `data.*`. */
export interface ImagePreparation extends Pick<VisionDataConfig, "mean" | "std" | "interpolation" | "evaluationCrop"> {
  notes: string[];
}

/** Numbers of the Python image library for the kinds of interpolation. */
const RESAMPLE = { bilinear: 2, bicubic: 3 } as const;

/** The file's contents for a model. */
export function preparationToConfig(data: Omit<ImagePreparation, "notes">, { imageSize, channels }: VisionArchitecture): object {
  const square = (size: number) => ({ height: size, width: size });
  const perChannel = (values: number[]) => Array.from({ length: channels }, (_, channel) => values[channel % values.length]);
  return {
    image_processor_type: "BeitImageProcessor",
    do_resize: true,
    size: square(Math.max(imageSize, Math.round(imageSize / data.evaluationCrop))),
    resample: RESAMPLE[data.interpolation],
    do_center_crop: data.evaluationCrop < 1,
    crop_size: square(imageSize),
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: perChannel(data.mean),
    image_std: perChannel(data.std),
    do_reduce_labels: false,
  };
}

/**
 * Reads a parsed `preprocessor_config.json`; fields that old files omit have the defaults of the class.
 *
 * @param source names the file in messages
 * @throws CheckpointError naming the field that asks for what isn't supported
 */
export function preparationFromConfig(
  json: unknown,
  { imageSize, channels }: VisionArchitecture,
  source = "preprocessor_config.json",
): ImagePreparation {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new CheckpointError(`${source}: expected a JSON object`);
  const fields = json as Record<string, unknown>;
  const refuse = (field: string, reason = "is not supported") =>
    new CheckpointError(`${source}: ${field}: ${JSON.stringify(fields[field])} ${reason}`);
  const side = (field: string, otherwise: number): number => {
    const value = fields[field] ?? otherwise;
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    const { height, width } = value as { height?: unknown; width?: unknown };
    if (typeof height !== "number" || height !== width || !Number.isSafeInteger(height) || height < 1)
      throw refuse(field, "is no square size");
    return height;
  };
  for (const [field, wanted] of [
    ["do_resize", true],
    ["do_rescale", true],
    ["do_reduce_labels", false],
    ["reduce_labels", false],
  ] as const) {
    if ((fields[field] ?? wanted) !== wanted) throw refuse(field);
  }
  const factor = fields.rescale_factor ?? 1 / 255;
  if (typeof factor !== "number" || Math.abs(factor * 255 - 1) > 1e-6) throw refuse("rescale_factor", "is not supported, only 1/255");

  const size = side("size", 256);
  const cropped = (fields.do_center_crop ?? true) === true;
  const crop = cropped ? side("crop_size", 224) : size;
  if (crop !== imageSize) throw refuse(cropped ? "crop_size" : "size", `doesn't fit the model's images of ${imageSize} x ${imageSize}`);
  if (size < crop) throw refuse("size", `is smaller than crop_size (${crop})`);

  const resample = Object.entries(RESAMPLE).find(([, number]) => number === (fields.resample ?? RESAMPLE.bicubic));
  if (!resample) throw refuse("resample", "is not supported, only 2 (bilinear) and 3 (bicubic)");
  const numbers = (field: string, neutral: number): number[] => {
    if ((fields.do_normalize ?? true) !== true) return [neutral];
    const values = [fields[field] ?? 0.5].flat();
    const fits = values.length === 1 || values.length === channels;
    if (!fits || !values.every((value) => typeof value === "number" && Number.isFinite(value)))
      throw refuse(field, `is not 1 or ${channels} numbers`);
    return values as number[];
  };
  const std = numbers("image_std", 1);
  if (std.some((value) => value <= 0)) throw refuse("image_std", "is not above 0");
  return {
    mean: numbers("image_mean", 0),
    std,
    interpolation: resample[0] as keyof typeof RESAMPLE,
    evaluationCrop: crop / size,
    notes: [`${source}: images that aren't square are cropped at the centre here, where Hugging Face stretches them`],
  };
}
