/** The worker thread of audio: reads, decodes, resamples and normalizes. */
import { workerData } from "node:worker_threads";
import { Lanes } from "../lanes.js";
import { readSample } from "../unreadable.js";
import { serveSamples } from "../worker-pool.js";
import { type ClipOptions, readClip } from "./clip.js";

const options = workerData as ClipOptions;

// Two, so that one file is read while another is decoded.
serveSamples<string>((path) => readSample(() => readClip(path, options)), new Lanes(2));
