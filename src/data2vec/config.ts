/** The keys of the method under `model.*`, the same for every modality: targets, loss and teacher. */
import { z } from "zod";
import { resolveSteps, stepsOrFraction } from "../config/train.js";
import type { TargetConfig } from "./pretraining.js";
import type { EmaSchedule } from "./teacher.js";

const normalization = () => z.enum(["none", "layer", "instance"]);

/** Fields of the method, to be spread into a modality's `model.*` schema. */
export const methodShape = {
  averageTopKLayers: z.int().min(1).max(1000).describe("Pretraining: how many of the teacher's last blocks the target averages."),
  targetLayer: z
    .enum(["block", "ffn"])
    .describe("Pretraining: what the target takes of a block: its output, or the output of its feed-forward network before the residual."),
  targetNormalization: normalization().describe(
    "Pretraining: normalisation of each block's target: none, each token over its channels, or each channel over the tokens of a sample.",
  ),
  finalTargetNormalization: normalization().describe("Pretraining: normalisation of the averaged target."),
  lossBeta: z
    .number()
    .min(0)
    .max(1000)
    .describe("Pretraining: where smooth-L1 turns from squared to linear; 0 is the plain squared error."),
  lossScale: z
    .union([z.enum(["mean", "sqrtDim"]), z.number().gt(0).max(1e6)])
    .describe("Pretraining: factor of the error summed over channels and averaged over masked tokens: 1/dim, 1/sqrt(dim), or a number."),
  emaDecay: z.number().min(0).max(1).describe("Pretraining: the teacher's decay at the first step."),
  emaEndDecay: z.number().min(0).max(1).describe("Pretraining: the teacher's decay after emaAnnealSteps; it moves linearly in between."),
  emaAnnealSteps: stepsOrFraction()
    .nullable()
    .describe("Pretraining: steps from emaDecay to emaEndDecay, below 1 a fraction of the run; null is the whole run."),
};

/** Values of the method. */
export type MethodConfig = z.output<z.ZodObject<typeof methodShape>>;

/** The target of a model of the given width. */
export function targetConfigOf(method: MethodConfig & { dim: number }): TargetConfig {
  const scales = { mean: 1 / method.dim, sqrtDim: 1 / Math.sqrt(method.dim) };
  return { ...method, lossScale: typeof method.lossScale === "number" ? method.lossScale : scales[method.lossScale] };
}

/** The teacher's decay over a run of so many steps. */
export function emaScheduleOf({ emaDecay, emaEndDecay, emaAnnealSteps }: MethodConfig, steps: number): EmaSchedule {
  return { emaDecay, emaEndDecay, emaAnnealUpdates: emaAnnealSteps === null ? steps : resolveSteps(emaAnnealSteps, steps) };
}
