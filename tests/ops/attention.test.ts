import * as fc from "fast-check";
import { type Draw, describeOp, largest, type OpRun } from "./describe-op.js";

interface Attention {
  batch: number;
  tokens: number;
  heads: number;
  headDim: number;
  lengths: boolean;
  bias: boolean;
  dropout: number;
}

const plain = { lengths: false, bias: false, dropout: 0 };
const everything = { lengths: true, bias: true, dropout: 0.2 };
const shapes = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  tokens: fc.integer({ min: 1, max: 40 }),
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.integer({ min: 1, max: 20 }),
  lengths: fc.boolean(),
  bias: fc.boolean(),
  dropout: fc.constantFrom(0, 0.3),
});

/**
 * Probabilities are rounded before they weight the values. Their errors add up as the products do, of which most cancel: together they are to
 * a result as one rounding to the largest of the results. Gradients pass two such products, and the output that was stored.
 */
function roundedInside({ out, ...gradients }: Record<string, Float64Array>): Record<string, number> {
  return { out: largest(out), ...Object.fromEntries(Object.entries(gradients).map(([name, values]) => [name, 2 * largest(values)])) };
}

/**
 * A gradient of slopes weights the rounded output of each query, and the probabilities that made it, with distances. What these roundings
 * leave adds up over queries as random numbers do.
 */
function roundedDistances(out: Float64Array, dOut: Float32Array, furthest: number): number {
  return 2 * furthest * Math.hypot(...out.map((value, e) => value * dOut[e]));
}

/** Forward and backward; with slopes, each token at its index or at a position of its own. */
function attentionRun(
  { batch, tokens, heads, headDim, lengths, bias, dropout }: Attention,
  alibi: { positions: boolean } | null,
  draw: Draw,
): OpRun {
  const count = batch * tokens * heads * headDim;
  const inputs = {
    qkv: draw.normal(3 * count),
    bias: bias ? draw.normal(heads * tokens * tokens) : undefined,
    // That of the third head counts as 0.
    slopes: alibi === null ? undefined : draw.uniform(heads).map((slope, h) => (h === 2 ? -slope : slope)),
    // In any order, with gaps, and of some tokens none.
    positions: alibi?.positions ? draw.ints(batch * tokens, -Math.ceil(tokens / 8), 2 * tokens) : undefined,
    // The last sample has no key at all.
    lengths: lengths ? draw.ints(batch, 1, tokens + 1).map((length, b) => (b > 0 && b === batch - 1 ? 0 : length)) : undefined,
    rng: dropout > 0 ? draw.rng() : undefined,
    dOut: draw.normal(count),
  };
  const furthest = Math.max(tokens, ...(inputs.positions ?? []));
  return {
    inputs,
    outputs: { out: count, logSumExp: batch * heads * tokens, dQkv: 3 * count },
    sums: { dBias: bias ? heads * tokens * tokens : undefined, dSlopes: alibi === null ? undefined : heads },
    run: (kernels, at) => {
      const given = [at.qkv, at.bias, at.slopes, at.positions, at.lengths, at.rng] as const;
      const shape = [batch, tokens, heads, headDim, dropout, 9] as const;
      kernels.attention(at.out, at.logSumExp, ...given, ...shape);
      kernels.attentionGrad(at.dQkv, at.dBias, at.dSlopes, at.dOut, at.out, at.logSumExp, ...given, ...shape);
    },
    loss: { out: "dOut" },
    gradients: { qkv: "dQkv", bias: "dBias", slopes: "dSlopes" },
    rounded: ({ out, dQkv, dBias }) => ({
      ...roundedInside({ out, dQkv, ...(bias && { dBias }) }),
      ...(alibi && { dSlopes: roundedDistances(out, inputs.dOut, furthest) }),
    }),
  };
}

describeOp("attention", {
  cases: [
    { batch: 0, tokens: 5, heads: 2, headDim: 3, ...plain, bias: true },
    { batch: 1, tokens: 1, heads: 1, headDim: 1, ...plain },
    { batch: 2, tokens: 3, heads: 2, headDim: 6, ...everything },
    { batch: 1, tokens: 4, heads: 1, headDim: 4, ...plain, bias: true },
    { batch: 3, tokens: 5, heads: 3, headDim: 5, ...plain, lengths: true },
    { batch: 2, tokens: 7, heads: 2, headDim: 8, ...plain, dropout: 0.4 },
    { batch: 2, tokens: 15, heads: 2, headDim: 16, ...everything },
    { batch: 2, tokens: 16, heads: 1, headDim: 17, ...everything },
    { batch: 2, tokens: 17, heads: 1, headDim: 24, ...plain },
    { batch: 3, tokens: 31, heads: 2, headDim: 7, ...everything },
    { batch: 2, tokens: 32, heads: 1, headDim: 32, ...plain, bias: true },
    { batch: 2, tokens: 33, heads: 1, headDim: 12, ...plain, bias: true, dropout: 0.1 },
    { batch: 5, tokens: 50, heads: 2, headDim: 24, ...plain, bias: true },
    { batch: 2, tokens: 63, heads: 1, headDim: 6, ...plain, lengths: true },
    { batch: 2, tokens: 64, heads: 1, headDim: 6, ...plain, bias: true },
    { batch: 3, tokens: 65, heads: 2, headDim: 6, ...everything },
    { batch: 1, tokens: 197, heads: 1, headDim: 64, ...plain, bias: true },
    { batch: 2, tokens: 67, heads: 2, headDim: 80, ...everything },
    { batch: 1, tokens: 37, heads: 1, headDim: 130, ...everything },
  ],
  shapes,
  setup: (shape, draw) => attentionRun(shape, null, draw),
});

describeOp("attention with ALiBi", {
  cases: [
    { batch: 0, tokens: 5, heads: 2, headDim: 3, ...plain, positions: true },
    { batch: 1, tokens: 1, heads: 1, headDim: 4, ...plain, positions: false },
    { batch: 2, tokens: 9, heads: 3, headDim: 5, ...plain, positions: false },
    { batch: 3, tokens: 11, heads: 3, headDim: 4, ...everything, positions: true },
    { batch: 2, tokens: 33, heads: 2, headDim: 32, ...plain, positions: true },
    { batch: 3, tokens: 66, heads: 2, headDim: 64, ...everything, positions: true },
    { batch: 1, tokens: 97, heads: 2, headDim: 80, ...plain, positions: true },
    { batch: 3, tokens: 37, heads: 2, headDim: 130, ...everything, positions: true },
  ],
  shapes: fc.tuple(shapes, fc.boolean()).map(([shape, positions]) => ({ ...shape, positions })),
  setup: (shape, draw) => attentionRun(shape, shape, draw),
});

describeOp("attention with large logits", {
  cases: [{ scale: 30 }, { scale: 1000 }],
  setup: ({ scale }, draw) => {
    const [batch, tokens, heads, headDim] = [2, 79, 1, 16];
    return {
      // Small whole numbers, so that the logits carry no rounding that the exponential would blow up.
      inputs: {
        qkv: Float32Array.from(draw.ints(batch * tokens * 3 * heads * headDim, -2, 3)),
        bias: Float32Array.from(draw.ints(heads * tokens * tokens, -2, 3)).map((value) => value * scale),
      },
      outputs: { out: batch * tokens * heads * headDim, logSumExp: batch * heads * tokens },
      run: (kernels, at) => kernels.attention(at.out, at.logSumExp, at.qkv, at.bias, 0, 0, 0, 0, batch, tokens, heads, headDim, 0, 0),
      rounded: ({ out }) => roundedInside({ out }),
    };
  },
});
