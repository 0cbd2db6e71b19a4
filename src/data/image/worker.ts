/** The worker thread of images: reads, decodes and augments. */
import { workerData } from "node:worker_threads";
import { Lanes } from "../lanes.js";
import { readSample } from "../unreadable.js";
import { serveSamples } from "../worker-pool.js";
import { decodeImage } from "./decode.js";
import { makeSample, type SampleJob, type SampleSettings } from "./sample.js";

const { seed, transform } = workerData as SampleSettings;

serveSamples<SampleJob>(
  async (job) => {
    const { source } = job;
    const image = typeof source === "string" ? await readSample(() => decodeImage(source)) : source;
    return makeSample(image, job, seed, transform);
  },
  // Two, so that one image is decoded (outside of JavaScript) while the other is augmented, and no more are held in memory.
  new Lanes(2),
);
