/** Worker threads that make samples ahead of the training step. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type SampleJob, UnreadableImageError } from "./sample.js";
import type { TransformOptions } from "./transform.js";

/** What every worker is told once. */
export interface PoolSettings {
  readonly seed: number;
  readonly transform: TransformOptions;
}

/** To a worker: one sample. */
export interface WorkerRequest {
  readonly id: number;
  readonly job: SampleJob;
}

/** From a worker: the sample, or why there is none. */
export type WorkerReply =
  | { readonly id: number; readonly pixels: Float32Array<ArrayBuffer> }
  | { readonly id: number; readonly unreadable: string }
  | { readonly id: number; readonly fault: string };

interface Waiting {
  readonly resolve: (pixels: Float32Array) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

/**
 * A fixed number of workers. Each sample goes at once to the worker with the fewest unanswered ones, because the calling thread, busy with a
 * training step, couldn't hand out more later. Idle workers don't keep the process alive.
 */
export class SamplePool {
  readonly #members: Member[];
  #nextId = 0;
  #failure: Error | undefined;

  constructor(workers: number, settings: PoolSettings) {
    this.#members = Array.from({ length: workers }, () => this.#start(settings));
  }

  /**
   * Makes one sample (channels, size, size).
   *
   * @throws {@link UnreadableImageError}; another error where a worker failed or the pool is closed
   */
  run(job: SampleJob): Promise<Float32Array> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const member = this.#members.reduce((best, each) => (each.waiting.size < best.waiting.size ? each : best));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (member.waiting.size === 0) member.worker.ref();
      member.waiting.set(id, { resolve, reject });
      member.worker.postMessage({ id, job: detached(job) } satisfies WorkerRequest);
    });
  }

  /** Ends the workers; samples still under way are rejected. */
  async close(): Promise<void> {
    this.#fail(new Error("the image loader was closed"));
    await Promise.all(
      this.#members.map(({ worker }) => {
        // Else the process could end before the caller hears of it.
        worker.ref();
        return worker.terminate();
      }),
    );
  }

  #start(settings: PoolSettings): Member {
    // Without the caller's flags: some, such as --input-type, are none for a file.
    const worker = new Worker(workerScript(), { workerData: settings, execArgv: [] });
    const member: Member = { worker, waiting: new Map() };
    worker.unref();
    worker.on("message", (reply: WorkerReply) => this.#settle(member, reply));
    worker.on("error", (cause) => this.#fail(new Error(`an image worker failed: ${(cause as Error).message}`, { cause })));
    worker.on("exit", (code) => this.#fail(new Error(`an image worker ended with code ${code}`)));
    return member;
  }

  #settle(member: Member, reply: WorkerReply): void {
    const waiting = member.waiting.get(reply.id);
    if (waiting === undefined) return;
    member.waiting.delete(reply.id);
    if (member.waiting.size === 0) member.worker.unref();
    if ("pixels" in reply) waiting.resolve(reply.pixels);
    else if ("unreadable" in reply) waiting.reject(new UnreadableImageError(reply.unreadable));
    else waiting.reject(new Error(`an image worker failed: ${reply.fault}`));
  }

  /** The first failure is the one that everybody waiting, and everybody later, gets. */
  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const { worker, waiting } of this.#members) {
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
      worker.unref();
    }
  }
}

/** A job that can be posted: a view of a larger array would carry all of it along. */
function detached(job: SampleJob): SampleJob {
  const { source } = job;
  if (typeof source === "string" || source.data.byteLength === source.data.buffer.byteLength) return job;
  return { ...job, source: { ...source, data: source.data.slice() } };
}

/** The compiled worker: beside this file in `dist`; from the sources (in tests), in the `dist` next to them. */
function workerScript(): URL {
  const candidates = ["./worker.js", "../../dist/data/worker.js"].map((path) => new URL(path, import.meta.url));
  const found = candidates.find((url) => existsSync(fileURLToPath(url)));
  if (found === undefined) throw new Error("the image worker isn't built\nrun: npm run build");
  return found;
}
