// jax-js in Node: turns V8's relaxed SIMD on (it probes for it) and, for threads > 1, gives it web Workers over worker_threads
// (its pool opens Blob URLs and sizes itself by navigator.hardwareConcurrency). Import before @jax-js/jax.

import { resolveObjectURL } from "node:buffer";
import v8 from "node:v8";
import { Worker as NodeWorker } from "node:worker_threads";

const i = process.argv.indexOf("--threads"),
  threads = i < 0 ? 1 : Number(process.argv[i + 1]);
if (!process.argv.includes("--no-relaxed") && Number(process.versions.node.split(".")[0]) < 21)
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
const SHIM =
  "const {parentPort:pp}=require('worker_threads');globalThis.self=globalThis;globalThis.postMessage=m=>pp.postMessage(m);pp.on('message',data=>self.onmessage({data}));\n";
if (!globalThis.navigator) Object.defineProperty(globalThis, "navigator", { value: { hardwareConcurrency: threads }, configurable: true });
if (threads > 1) {
  globalThis.Worker = class {
    constructor(url) {
      this.w = resolveObjectURL(url)
        .text()
        .then((src) => {
          const w = new NodeWorker(SHIM + src, { eval: true });
          w.on("message", (data) => this.onmessage?.({ data }));
          w.on("error", (e) => this.onerror?.(e));
          w.unref();
          return (this.now = w);
        });
    }
    postMessage(m) {
      this.now ? this.now.postMessage(m) : this.w.then((w) => w.postMessage(m));
    }
  };
}
