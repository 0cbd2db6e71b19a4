/** Resize and center crop: what a model sees in evaluation. */
import type { RawImage } from "../dataset.js";
import { type Interpolation, resize } from "./resize.js";

/**
 * Resizes the shorter side to `shorter` (256 for 224 in the recipe), keeping the aspect, and cuts the central `size` x `size` out of it.
 *
 * @throws where `shorter` is less than `size`
 */
export function resizeCenterCrop(image: RawImage, size: number, shorter: number, interpolation: Interpolation): RawImage {
  if (shorter < size) throw new RangeError(`resizeCenterCrop: the shorter side ${shorter} is less than the crop ${size}`);
  const { width, height } = image;
  const longer = Math.floor((shorter * Math.max(width, height)) / Math.min(width, height));
  const [newWidth, newHeight] = width <= height ? [shorter, longer] : [longer, shorter];
  const left = Math.round((newWidth - size) / 2);
  const top = Math.round((newHeight - size) / 2);
  const whole = { left: 0, top: 0, width, height };
  return resize(image, whole, newWidth, newHeight, interpolation, { left, top, width: size, height: size });
}
