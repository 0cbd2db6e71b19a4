import { expectShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Cuts images (batch, channels, height, width) into rows of pixels (batch, patches, channels · patch²); inputs only, no gradient. */
export function patchify(image: Tensor, patch: number): Tensor {
  const [batch, channels, height, width] = image.shape;
  expectShape("patchify: image", image.shape, [batch, channels, height - (height % patch), width - (width % patch)]);
  const patches = (height / patch) * (width / patch);
  const y = image.device.empty([batch, patches, channels * patch * patch], "patchify");
  image.device.kernels.patchify(y.ptr, image.ptr, batch, channels, height, width, patch);
  return y;
}
