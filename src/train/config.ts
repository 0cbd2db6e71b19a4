/** The effective configuration of a run: how a modality's presets meet a user's settings. */
import { nearest } from "../config/nearest.js";
import { ConfigError, type ConfigSources, configChanges, resolveConfig } from "../config/resolve.js";
import type { Modality, PresetName, RunConfig, Stage } from "../modalities/modality.js";

/** A user's settings, weakest first: a preset by name, a YAML file, `--set` texts; `fixed` is what a loaded model prescribes. */
export interface ConfigOptions extends Omit<ConfigSources, "preset" | "recipe"> {
  /** When absent the one most like `fixed`, or "tiny". */
  preset?: string;
  /** What the run learns from: where the modality has published settings for it (GLUE's tasks), they come over those of the preset. */
  data?: string;
  /** Told of such settings, each as "train.steps=5336". */
  onRecipe?: (name: string, settings: readonly string[]) => void;
}

/**
 * The effective configuration of a run, checked as a whole.
 *
 * @throws ConfigError when the preset is unknown, or as `resolveConfig`
 */
export async function loadConfig<C extends RunConfig, I>(modality: Modality<C, I>, stage: Stage, options: ConfigOptions = {}): Promise<C> {
  const known = modality.presets[stage];
  const { preset = mostAlike(known, options.fixed?.values) ?? "tiny", data, onRecipe, ...sources } = options;
  if (!Object.hasOwn(known, preset)) {
    const meant = nearest(preset, Object.keys(known));
    throw new ConfigError(`unknown preset ${preset}; ${meant ? `did you mean ${meant}?` : `known are ${Object.keys(known).join(", ")}`}`);
  }
  const chosen = known[preset as PresetName];
  const values = options.fixed ? modality.fitPreset(chosen, options.fixed.values) : chosen;
  const recipe = data === undefined ? null : (modality.recipe?.(stage, preset as PresetName, data) ?? null);
  if (recipe !== null)
    onRecipe?.(
      recipe.name,
      configChanges({}, recipe.values).map((change) => change.replace(/: (.*), was not set$/, "=$1")),
    );
  return resolveConfig(modality.schema, { ...sources, preset: { name: `preset ${preset}`, values }, recipe: recipe ?? undefined });
}

/** The preset that has most of the `fixed` values. */
function mostAlike(presets: Readonly<Record<string, object>>, fixed: object | undefined): string | undefined {
  if (fixed === undefined) return undefined;
  const differences = (values: object) => configChanges(fixed, values).filter((change) => !change.endsWith(", was not set")).length;
  return Object.keys(presets).reduce((best, name) => (differences(presets[name]) < differences(presets[best]) ? name : best));
}
