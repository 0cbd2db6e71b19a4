/** The devices that tests run on: every engine this machine has. */
import { openCpuBackend } from "../src/backend/cpu.js";
import { loadNative, probeNative } from "../src/backend/native.js";
import { createReferenceBackend } from "../src/backend/reference/index.js";
import { createWasmBackend } from "../src/backend/wasm.js";
import { Device } from "../src/tensor/device.js";
import { bf16Engines, cudaEngines } from "./ops/engines.js";

const addon = "error" in (await probeNative()) ? null : await loadNative();

export const devices: { name: string; open: () => Device }[] = [
  { name: "reference", open: () => new Device(createReferenceBackend()) },
  { name: "wasm", open: () => new Device(createWasmBackend({ threads: 2 })) },
  ...(addon === null ? [] : [{ name: "cpu", open: () => new Device(openCpuBackend(addon, { threads: 2 })) }]),
  ...cudaEngines.map(({ name, open }) => ({ name, open: () => new Device(open()) })),
];

/** Those whose activations are bfloat16. */
export const bf16Devices: typeof devices = bf16Engines.map(({ name, open }) => ({ name, open: () => new Device(open()) }));
