/** The engines present on this machine, by the name that tests print. */
import type { Backend } from "../../src/backend/backend.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";

export interface Engine {
  readonly name: string;
  open(): Promise<Backend>;
}

/** Every engine whose kernels are held against the reference. */
export const engines: readonly Engine[] = [{ name: "reference", open: async () => createReferenceBackend() }];

/** One engine with several numbers of threads: all must give the same bits. */
export const threadVariants: readonly Engine[] = [];
