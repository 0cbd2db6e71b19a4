/** The effective configuration of a run: which schema and presets a modality has, and how they meet a user's settings. */
import type { z } from "zod";
import { nearest } from "../config/nearest.js";
import { ConfigError, type ConfigSources, resolveConfig } from "../config/resolve.js";
import { visionSchema } from "../modalities/vision/config.js";
import { type Stage, visionPresets } from "../modalities/vision/presets.js";

const MODALITIES = {
  vision: { schema: visionSchema, presets: visionPresets },
} as const;

/** A kind of data that can be trained on. */
export type ModalityName = keyof typeof MODALITIES;

/** The configuration of a run of a modality. */
export type ConfigOf<M extends ModalityName> = z.output<(typeof MODALITIES)[M]["schema"]>;

/** A user's settings, weakest first: a preset by name, a YAML file, `--set` texts; `fixed` is what a loaded model prescribes. */
export interface ConfigOptions extends Omit<ConfigSources, "preset"> {
  /** "tiny" when absent. */
  preset?: string;
}

/**
 * The effective configuration of a run, checked as a whole.
 *
 * @throws ConfigError when the preset is unknown, or as `resolveConfig`
 */
export async function loadConfig<M extends ModalityName>(modality: M, stage: Stage, options: ConfigOptions = {}): Promise<ConfigOf<M>> {
  const { schema, presets } = MODALITIES[modality];
  const { preset = "tiny", ...sources } = options;
  const known: Readonly<Record<string, object>> = presets[stage];
  if (!Object.hasOwn(known, preset)) {
    const meant = nearest(preset, Object.keys(known));
    throw new ConfigError(`unknown preset ${preset}; ${meant ? `did you mean ${meant}?` : `known are ${Object.keys(known).join(", ")}`}`);
  }
  return (await resolveConfig(schema, { ...sources, preset: { name: `preset ${preset}`, values: known[preset] } })) as ConfigOf<M>;
}
