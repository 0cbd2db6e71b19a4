/** The effective configuration of a run: which schema and presets a modality has, and how they meet a user's settings. */
import type { z } from "zod";
import { nearest } from "../config/nearest.js";
import { ConfigError, type ConfigSources, configChanges, resolveConfig } from "../config/resolve.js";
import { visionSchema } from "../modalities/vision/config.js";
import { fitToArchitecture, type Stage, visionPresets } from "../modalities/vision/presets.js";

export type { Stage };

const MODALITIES = {
  vision: { schema: visionSchema, presets: visionPresets, adapt: fitToArchitecture },
} as const;

/** A kind of data that can be trained on. */
export type ModalityName = keyof typeof MODALITIES;

/** The configuration of a run of a modality. */
export type ConfigOf<M extends ModalityName> = z.output<(typeof MODALITIES)[M]["schema"]>;

/** A user's settings, weakest first: a preset by name, a YAML file, `--set` texts; `fixed` is what a loaded model prescribes. */
export interface ConfigOptions extends Omit<ConfigSources, "preset"> {
  /** When absent the one most like `fixed`, or "tiny". */
  preset?: string;
}

/**
 * The effective configuration of a run, checked as a whole.
 *
 * @throws ConfigError when the preset is unknown, or as `resolveConfig`
 */
export async function loadConfig<M extends ModalityName>(modality: M, stage: Stage, options: ConfigOptions = {}): Promise<ConfigOf<M>> {
  const { schema, presets, adapt } = MODALITIES[modality];
  const known = presets[stage] as Readonly<Record<string, ConfigOf<M>>>;
  const { preset = mostAlike(known, options.fixed?.values) ?? "tiny", ...sources } = options;
  if (!Object.hasOwn(known, preset)) {
    const meant = nearest(preset, Object.keys(known));
    throw new ConfigError(`unknown preset ${preset}; ${meant ? `did you mean ${meant}?` : `known are ${Object.keys(known).join(", ")}`}`);
  }
  const values = options.fixed ? adapt(known[preset], options.fixed.values) : known[preset];
  return (await resolveConfig(schema, { ...sources, preset: { name: `preset ${preset}`, values } })) as ConfigOf<M>;
}

/** The preset that has most of the `fixed` values. */
function mostAlike(presets: Readonly<Record<string, object>>, fixed: object | undefined): string | undefined {
  if (fixed === undefined) return undefined;
  const differences = (values: object) => configChanges(fixed, values).filter((change) => !change.endsWith(", was not set")).length;
  return Object.keys(presets).reduce((best, name) => (differences(presets[name]) < differences(presets[best]) ? name : best));
}
