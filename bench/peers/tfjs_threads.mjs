// tfjs-backend-wasm says "no threads in Node" (tfjs issue 3830) because its worker is a Blob URL, which worker_threads can't open.
// This shim writes such blobs to temporary files, so that the threaded SIMD build runs in Node. Call before setBackend.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
export function enableThreads(tf, wasm, n) {
  const wt = createRequire(import.meta.url)("node:worker_threads"),
    dir = mkdtempSync(join(tmpdir(), "tfjs-")),
    Real = wt.Worker;
  let id = 0;
  globalThis.Blob = class {
    constructor(parts) {
      this.file = join(dir, id++ + ".cjs");
      writeFileSync(
        this.file,
        'var require$$0=require("fs"),require$$1=require("path"),commonjsGlobal=globalThis;' +
          parts.join("").replace(/^var (\w+) = /, "var $1 = globalThis.$1 = "),
      );
    }
  };
  URL.createObjectURL = (b) => b.file;
  wt.Worker = class extends Real {
    constructor(file, o) {
      super(file, o);
      this.unref();
    }
    postMessage(m, t) {
      super.postMessage(m?.urlOrBlob?.file ? { ...m, urlOrBlob: m.urlOrBlob.file } : m, t);
    }
  };
  process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
  const os = createRequire(import.meta.url)("node:os"),
    cpus = os.cpus; // the wasm clamps its pool to cores / 2
  os.cpus = () => Array(2 * n).fill(cpus()[0]);
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", true);
  wasm.setThreadsCount(n);
}
