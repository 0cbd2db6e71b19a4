/** The worker thread of the pool: reads, decodes and augments one image a message. */
import { parentPort, workerData } from "node:worker_threads";
import { decodeImage } from "./decode.js";
import { Lanes } from "./lanes.js";
import type { PoolSettings, WorkerReply, WorkerRequest } from "./pool.js";
import { makeSample, readImage, sampleLength, UnreadableImageError } from "./sample.js";

const { seed, transform } = workerData as PoolSettings;
const port = parentPort!;
// Two, so that one image is decoded (outside of JavaScript) while the other is augmented, and no more are held in memory.
const lanes = new Lanes(2);

async function answer({ id, job }: WorkerRequest): Promise<void> {
  try {
    const { source } = job;
    const image = typeof source === "string" ? await readImage(() => decodeImage(source)) : source;
    const pixels = new Float32Array(sampleLength(transform));
    makeSample(image, job, seed, transform, pixels);
    port.postMessage({ id, pixels } satisfies WorkerReply, [pixels.buffer]);
  } catch (error) {
    const { message, stack } = error as Error;
    const reply: WorkerReply = error instanceof UnreadableImageError ? { id, unreadable: message } : { id, fault: stack ?? message };
    port.postMessage(reply);
  }
}

port.on("message", (request: WorkerRequest) => void lanes.run(() => answer(request)));
