/** Training can't go on: what happened, at which step, and what to do. */
export class TrainingError extends Error {
  override readonly name = "TrainingError";
}
