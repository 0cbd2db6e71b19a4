/** The keys under `train.*`: optimisation, schedule, saving and guards, the same for every modality. */
import { z } from "zod";

const count = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
const fraction = () => z.number().min(0).max(1);

/** A number of steps, or below 1 a fraction of the run; {@link resolveSteps} turns it into steps. */
export const stepsOrFraction = () =>
  z
    .number()
    .min(0)
    .max(1e9)
    .refine((value) => value < 1 || Number.isInteger(value), {
      error: "expected a whole number of steps, or a fraction of the run below 1",
    });

/** Steps from a value that is a number of steps, or below 1 a fraction of `total`. */
export function resolveSteps(value: number, total: number): number {
  return value < 1 ? Math.round(value * total) : value;
}

/** Schema of `train.*`. */
export const trainSchema = z
  .strictObject({
    seed: count(0, 2 ** 32 - 1).describe("Seed of everything random: initial weights, order of the data, crops, masks, dropout."),
    steps: count(1, 1e9).describe("Optimizer steps of the whole run."),
    batchSize: count(1, 65536).describe("Samples in one forward and backward pass."),
    accumulate: count(1, 65536).describe("Passes whose gradients are averaged into one step: a step sees batchSize x accumulate samples."),
    activationCheckpointing: z
      .boolean()
      .describe(
        "Compute a block's activations again in the backward pass instead of keeping them: much less memory, one more forward pass.",
      ),
    learningRate: z.number().gt(0).max(10).describe("Highest learning rate of the schedule; not scaled by the batch size."),
    minLearningRate: z.number().min(0).max(10).describe("Learning rate at the end of the schedule."),
    schedule: z
      .enum(["cosine", "linear", "triStage", "constant"])
      .describe(
        "After the linear warm-up: cosine or a straight line down to minLearningRate; hold, then exponential decay (triStage); or constant.",
      ),
    warmupSteps: stepsOrFraction().describe("Steps of linear warm-up from 0, or below 1 the fraction of the run."),
    holdRatio: fraction().describe("triStage: fraction of the run at the highest learning rate."),
    decayRatio: fraction().describe("triStage: fraction of the run over which it decays."),
    weightDecay: z.number().min(0).max(10).describe("Decoupled weight decay."),
    weightDecayOn: z
      .enum(["matrices", "all"])
      .describe("What weight decay acts on: matrices but for tokens and absolute positions (BEiT), or every parameter (fairseq)."),
    beta1: z.number().min(0).lt(1).describe("AdamW: decay of the mean of the gradient."),
    beta2: z.number().min(0).lt(1).describe("AdamW: decay of the mean of the squared gradient."),
    epsilon: z.number().gt(0).max(1).describe("AdamW: added to the root of the mean of the squared gradient."),
    epsilonPlacement: z
      .enum(["corrected", "uncorrected"])
      .describe("AdamW: whether epsilon is added to the bias-corrected root (PyTorch), or before the correction (fairseq)."),
    clipNorm: z.number().min(0).max(1e6).describe("Largest norm of the gradient of all parameters together; 0 is off."),
    layerDecay: z
      .number()
      .gt(0)
      .max(1)
      .describe(
        "Learning-rate factor from one block to the one below: block i of L gets layerDecay^(L - i), the embeddings layerDecay^(L + 1).",
      ),
    freezeSteps: stepsOrFraction().describe(
      "Fine-tuning: steps at the start in which only the head learns, below 1 a fraction of the run.",
    ),
    saveEvery: count(1, 1e9).describe("Steps between checkpoints."),
    logEvery: count(1, 1e9).describe("Steps between lines of metrics.jsonl."),
    evaluateEvery: count(0, 1e9).describe("Steps between evaluations on the held-out part of the data; 0 is never."),
    patience: count(0, 1e6).describe("Fine-tuning: evaluations without a better result after which the run stops; 0 is off."),
    keepBest: z.boolean().describe("Fine-tuning: keep the model of the best evaluation in best/."),
    minTargetDeviation: z.number().min(0).max(10).describe("Collapse guard: the run stops when the targets' deviation is below; 0 is off."),
    minPredictionDeviation: z
      .number()
      .min(0)
      .max(10)
      .describe("Collapse guard: the run stops when the predictions' deviation is below; 0 is off."),
    guardAfter: count(0, 1e9).describe("Step after which the collapse guards act."),
  })
  .superRefine((train, context) => {
    if (train.minLearningRate > train.learningRate) {
      const message = `expected at most train.learningRate (${train.learningRate}), got ${train.minLearningRate}`;
      context.addIssue({ code: "custom", path: ["minLearningRate"], message });
    }
    if (resolveSteps(train.warmupSteps, train.steps) > train.steps) {
      const message = `expected at most train.steps (${train.steps}), got ${train.warmupSteps}`;
      context.addIssue({ code: "custom", path: ["warmupSteps"], message });
    }
    if (
      train.schedule === "triStage" &&
      train.warmupSteps / (train.warmupSteps < 1 ? 1 : train.steps) + train.holdRatio + train.decayRatio > 1 + 1e-9
    ) {
      context.addIssue({ code: "custom", path: ["holdRatio"], message: "warm-up, holdRatio and decayRatio are more than the whole run" });
    }
  });

/** Values of `train.*`. */
export type TrainConfig = z.output<typeof trainSchema>;
