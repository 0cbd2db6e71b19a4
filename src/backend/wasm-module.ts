import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import v8 from "node:v8";

/** The compiled engine and the instruction set it was built for. */
export interface WasmModule {
  readonly module: WebAssembly.Module;
  readonly relaxedSimd: boolean;
}

/** A module whose only function multiplies and adds with `f32x4.relaxed_madd`: valid where relaxed SIMD is on. */
const relaxedProbe = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // magic, version
  ...[1, 5, 1, 0x60, 0, 1, 0x7b], // types: () -> v128
  ...[3, 2, 1, 0], // functions: one of that type
  ...[10, 19, 1, 17, 0], // code: one body without locals
  ...[0x41, 0, 0xfd, 17, 0x41, 0, 0xfd, 17, 0x41, 0, 0xfd, 17], // three times i32.const 0, i32x4.splat
  ...[0xfd, 0x85, 0x02, 0x0b], // f32x4.relaxed_madd, end
]);

/** Whether this Node runs relaxed SIMD (fused multiply-add); on Node 20 this switches it on for modules compiled from now on. */
export function hasRelaxedSimd(): boolean {
  if (WebAssembly.validate(relaxedProbe)) return true;
  if (Number.parseInt(process.versions.node, 10) >= 22) return false;
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(relaxedProbe);
}

/** The folder that `npm run build` fills; as far from the sources as from the compiled files. */
const buildFolder = new URL("../../dist/wasm/", import.meta.url);

/** Compiles the engine: the relaxed-SIMD build where Node can run it and `relaxedSimd` isn't false. */
export function loadWasmModule(relaxedSimd = hasRelaxedSimd(), folder = buildFolder): WasmModule {
  const file = relaxedSimd ? "data2vec-relaxed.wasm" : "data2vec.wasm";
  const path = fileURLToPath(new URL(file, folder));
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(`wasm: ${path} is missing\nrun npm run build`);
  }
  return { module: new WebAssembly.Module(bytes), relaxedSimd };
}
