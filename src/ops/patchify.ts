import { expectShape } from "../tensor/shape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/**
 * Cuts images (batch, channels, height, width), f32, into rows of pixels (batch, patches, channels · patch²), which are activations; inputs
 * only, no gradient.
 */
export function patchify(image: Tensor, patch: number): Tensor {
  const [batch, channels, height, width] = image.shape;
  expectShape("patchify: image", image.shape, [batch, channels, height - (height % patch), width - (width % patch)]);
  expectType("patchify: image", image, "f32");
  const patches = (height / patch) * (width / patch);
  const { device } = image;
  const y = device.empty([batch, patches, channels * patch * patch], "patchify", device.activation);
  y.kernels.patchify(y.ptr, image.ptr, batch, channels, height, width, patch);
  return y;
}
