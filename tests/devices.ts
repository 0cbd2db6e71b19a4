/** The devices that tests run on: every engine this machine has. */
import { createReferenceBackend } from "../src/backend/reference/index.js";
import { createWasmBackend } from "../src/backend/wasm.js";
import { Device } from "../src/tensor/device.js";

export const devices: { name: string; open: () => Device }[] = [
  { name: "reference", open: () => new Device(createReferenceBackend()) },
  { name: "wasm", open: () => new Device(createWasmBackend({ threads: 2 })) },
];
