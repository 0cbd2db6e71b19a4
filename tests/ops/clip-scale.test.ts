import { describeOp } from "./describe-op.js";

describeOp("clipScale", {
  cases: [
    { squaredNorm: 25, maxNorm: 1 },
    { squaredNorm: 25, maxNorm: 6 },
    { squaredNorm: 25, maxNorm: 0 },
    { squaredNorm: 0, maxNorm: 1 },
    { squaredNorm: Number.POSITIVE_INFINITY, maxNorm: 1 },
    { squaredNorm: Number.NaN, maxNorm: 1 },
    { squaredNorm: Number.NaN, maxNorm: 0 },
  ],
  setup: ({ squaredNorm, maxNorm }) => ({
    inputs: { squaredNorm: Float32Array.of(squaredNorm) },
    outputs: { scale: 1 },
    run: (kernels, at) => kernels.clipScale(at.scale, at.squaredNorm, maxNorm),
  }),
});
