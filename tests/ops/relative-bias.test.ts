import { describeOp } from "./describe-op.js";

describeOp("relativeBias", {
  cases: [
    { heads: 1, positions: 1, tableRows: 1 },
    { heads: 3, positions: 15, tableRows: 4 },
    { heads: 4, positions: 16, tableRows: 31 },
    { heads: 5, positions: 17, tableRows: 2 },
    { heads: 6, positions: 2500, tableRows: 172 },
    { heads: 13, positions: 10_007, tableRows: 97 },
  ],
  setup: ({ heads, positions, tableRows }, draw) => ({
    inputs: { table: draw.normal(tableRows * heads), index: draw.ints(positions, 0, tableRows), dBias: draw.normal(heads * positions) },
    outputs: { bias: heads * positions },
    sums: { dTable: tableRows * heads },
    run: (kernels, at) => {
      kernels.relativeBias(at.bias, at.table, at.index, heads, positions);
      kernels.relativeBiasGrad(at.dTable, at.dBias, at.index, heads, positions, tableRows);
    },
    loss: { bias: "dBias" },
    gradients: { table: "dTable" },
  }),
});
