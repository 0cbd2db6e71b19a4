/** Worker threads that make samples ahead of the training step: the caller's side, and what a worker's script runs. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parentPort, Worker } from "node:worker_threads";
import type { Lanes } from "./lanes.js";
import { UnreadableError } from "./unreadable.js";

interface Request<Job> {
  readonly id: number;
  readonly job: Job;
}

type Values = Float32Array<ArrayBuffer>;

type Reply =
  | { readonly id: number; readonly values: Values }
  | { readonly id: number; readonly unreadable: string }
  | { readonly id: number; readonly fault: string };

interface Waiting {
  readonly resolve: (values: Values) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

/** What a pool runs. */
export interface PoolOptions {
  /** The compiled script of the worker, which calls {@link serveSamples}. */
  readonly script: URL;
  readonly workers: number;
  /** What every worker is told once, as its `workerData`. */
  readonly settings: unknown;
}

/**
 * A fixed number of workers. Each sample goes at once to the worker with the fewest unanswered ones, because the calling thread, busy with a
 * training step, couldn't hand out more later. Idle workers don't keep the process alive.
 */
export class WorkerPool<Job> {
  readonly #members: Member[];
  #nextId = 0;
  #failure: Error | undefined;

  constructor({ script, workers, settings }: PoolOptions) {
    this.#members = Array.from({ length: workers }, () => this.#start(script, settings));
  }

  /**
   * Makes one sample. The job must not hold views of larger arrays, which would be copied along.
   *
   * @throws {@link UnreadableError}; another error where a worker failed or the pool is closed
   */
  run(job: Job): Promise<Values> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const member = this.#members.reduce((best, each) => (each.waiting.size < best.waiting.size ? each : best));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (member.waiting.size === 0) member.worker.ref();
      member.waiting.set(id, { resolve, reject });
      member.worker.postMessage({ id, job } satisfies Request<Job>);
    });
  }

  /** Ends the workers; samples still under way are rejected. */
  async close(): Promise<void> {
    this.#fail(new Error("the loader was closed"));
    await Promise.all(
      this.#members.map(({ worker }) => {
        // Else the process could end before the caller hears of it.
        worker.ref();
        return worker.terminate();
      }),
    );
  }

  #start(script: URL, settings: unknown): Member {
    // Without the caller's flags: some, such as --input-type, are none for a file.
    const worker = new Worker(script, { workerData: settings, execArgv: [] });
    const member: Member = { worker, waiting: new Map() };
    worker.unref();
    worker.on("message", (reply: Reply) => this.#settle(member, reply));
    worker.on("error", (cause) => this.#fail(new Error(`a data worker failed: ${(cause as Error).message}`, { cause })));
    worker.on("exit", (code) => this.#fail(new Error(`a data worker ended with code ${code}`)));
    return member;
  }

  #settle(member: Member, reply: Reply): void {
    const waiting = member.waiting.get(reply.id);
    if (waiting === undefined) return;
    member.waiting.delete(reply.id);
    if (member.waiting.size === 0) member.worker.unref();
    if ("values" in reply) waiting.resolve(reply.values);
    else if ("unreadable" in reply) waiting.reject(new UnreadableError(reply.unreadable));
    else waiting.reject(new Error(`a data worker failed: ${reply.fault}`));
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

/** In a worker: answers every job with the sample that `make` gives, at most as many at a time as there are lanes. */
export function serveSamples<Job>(make: (job: Job) => Promise<Values>, lanes: Lanes): void {
  const port = parentPort!;
  const answer = async ({ id, job }: Request<Job>): Promise<void> => {
    try {
      const values = await make(job);
      port.postMessage({ id, values } satisfies Reply, [values.buffer]);
    } catch (error) {
      const { message, stack } = error as Error;
      const reply: Reply = error instanceof UnreadableError ? { id, unreadable: message } : { id, fault: stack ?? message };
      port.postMessage(reply);
    }
  };
  port.on("message", (request: Request<Job>) => void lanes.run(() => answer(request)));
}

/**
 * The compiled script of a worker, as a path below `data`: beside the caller in `dist`; from the sources (in tests), in the `dist` next to
 * them.
 */
export function workerScript(name: string): URL {
  const candidates = [`./${name}`, `../../dist/data/${name}`].map((path) => new URL(path, import.meta.url));
  const found = candidates.find((url) => existsSync(fileURLToPath(url)));
  if (found === undefined) throw new Error("the data worker isn't built\nrun: npm run build");
  return found;
}
