import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[b, (i * width/patch + j), (c, u, v)] = image[b, c, i * patch + u, j * patch + v] */
export function patchify(
  memory: Memory,
  y: Pointer,
  image: Pointer,
  batch: number,
  channels: number,
  height: number,
  width: number,
  patch: number,
): void {
  const ys = memory.floats(y, batch * channels * height * width);
  const images = memory.floats(image, batch * channels * height * width);
  let at = 0;
  for (let b = 0; b < batch; b++) {
    for (let top = 0; top < height; top += patch) {
      for (let left = 0; left < width; left += patch) {
        for (let c = 0; c < channels; c++) {
          for (let u = 0; u < patch; u++) {
            for (let v = 0; v < patch; v++) ys[at++] = images[((b * channels + c) * height + top + u) * width + left + v];
          }
        }
      }
    }
  }
}
