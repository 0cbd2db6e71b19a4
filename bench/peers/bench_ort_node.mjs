// onnxruntime-node, CPU provider, forward only.
import ort from "onnxruntime-node";
import { args } from "./common.mjs";
import { bench } from "./ort.mjs";

const a = args();
await bench(
  "ort-node",
  ort,
  a,
  { executionProviders: ["cpu"], intraOpNumThreads: a.threads, interOpNumThreads: 1, executionMode: "sequential" },
  () => ({}),
);
