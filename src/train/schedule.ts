import { resolveSteps, type TrainConfig } from "../config/train.js";

/** What {@link learningRateAt} takes of a configuration. */
export type ScheduleConfig = Pick<
  TrainConfig,
  "steps" | "learningRate" | "minLearningRate" | "schedule" | "warmupSteps" | "holdRatio" | "decayRatio"
>;

/** fairseq starts the warm-up of its tri-stage schedule at this part of the learning rate. */
const TRI_STAGE_INIT = 0.01;
/** The exponential decay of that schedule can't reach zero. */
const SMALLEST_FINAL_SCALE = 1e-8;

/**
 * Learning rate of a step, from 0. Cosine is BEiT's: from 0 in equal increments up to the peak at the last warm-up step, then a half cosine
 * to the minimum; linear falls in a straight line instead. Tri-stage is fairseq's: linear, constant, exponential.
 */
export function learningRateAt(config: ScheduleConfig, step: number): number {
  const { steps, learningRate, minLearningRate, schedule, holdRatio, decayRatio } = config;
  const warmup = resolveSteps(config.warmupSteps, steps);
  if (schedule === "triStage") {
    if (step < warmup) return learningRate * (TRI_STAGE_INIT + ((1 - TRI_STAGE_INIT) * step) / warmup);
    const hold = Math.round(holdRatio * steps);
    if (step < warmup + hold) return learningRate;
    const finalScale = Math.max(minLearningRate / learningRate, SMALLEST_FINAL_SCALE);
    const decay = Math.max(Math.round(decayRatio * steps), 1);
    return learningRate * finalScale ** Math.min((step - warmup - hold) / decay, 1);
  }
  if (step < warmup) return (learningRate * step) / Math.max(warmup - 1, 1);
  if (schedule === "constant") return learningRate;
  const progress = (step - warmup) / Math.max(steps - warmup, 1);
  if (schedule === "linear") return minLearningRate + (learningRate - minLearningRate) * (1 - progress);
  return minLearningRate + 0.5 * (learningRate - minLearningRate) * (1 + Math.cos(Math.PI * progress));
}
