import { Worker } from "node:worker_threads";

/** Bytes of stack per worker; packing buffers live in the workspace, so this only holds small frames. */
export const workerStackBytes = 262_144;

/** Runs in each worker: instantiates the shared module with a stack of its own and serves tasks until `stop_workers`. */
const workerScript = `
const { workerData } = require("node:worker_threads");
const { module, memory, stackTop, thread } = workerData;
const grow_workspace = () => { throw new Error("workspace() may only be called by the thread that called the kernel"); };
const { exports } = new WebAssembly.Instance(module, { env: { memory, grow_workspace } });
exports.__stack_pointer.value = stackTop;
try {
  exports.worker_main(thread);
} catch {
  exports.worker_failed(); // the caller then fails too
}
`;

/**
 * Starts workers 1 .. threads - 1 over one shared memory; worker `i` owns the stack below `stackBase + i * workerStackBytes`.
 * They don't keep the process alive.
 */
export function startWorkers(module: WebAssembly.Module, memory: WebAssembly.Memory, stackBase: number, threads: number): Worker[] {
  return Array.from({ length: threads - 1 }, (_, index) => {
    const thread = index + 1;
    const stackTop = stackBase + thread * workerStackBytes;
    const worker = new Worker(workerScript, { eval: true, workerData: { module, memory, stackTop, thread }, execArgv: [], env: {} });
    worker.unref();
    return worker;
  });
}
