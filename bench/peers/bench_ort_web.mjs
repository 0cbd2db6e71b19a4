// onnxruntime-web, wasm provider (SIMD), forward only; pthreads over worker_threads when --threads > 1. --relaxed 1: V8 relaxed-SIMD flag on.
import v8 from "node:v8";
import * as ort from "onnxruntime-web";
import { args } from "./common.mjs";
import { bench } from "./ort.mjs";

const a = args();
if (a.relaxed) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
ort.env.wasm.numThreads = a.threads;
if (a.relaxed) ort.env.wasm.simd = "relaxed";
ort.env.logLevel = "error";
await bench("ort-web", ort, a, { executionProviders: ["wasm"] }, () => ({
  numThreads: ort.env.wasm.numThreads,
  simd: String(ort.env.wasm.simd ?? true),
}));
process.exit(0);
