/** Decodes one JPEG, PNG or WebP file to 8-bit RGB. */
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import type { RawImage } from "./dataset.js";

// The loader runs many images at once, so one thread an image is enough, and no file is read twice soon.
sharp.concurrency(1);
sharp.cache(false);

/**
 * Decodes an image file, always to 3 channels of 8 bits: EXIF orientation applied, gray replicated, CMYK and embedded profiles converted to
 * sRGB, 16 bits reduced to 8, transparency flattened on white, the first frame of an animation.
 *
 * @throws where the file can't be read, isn't an image, or is truncated or corrupt
 */
export async function decodeImage(path: string): Promise<RawImage> {
  // Read here rather than by libvips, whose errors for missing files are obscure.
  const bytes = await readFile(path);
  if (bytes.length === 0) throw new Error("empty file");
  const { data, info } = await sharp(bytes, { failOn: "error" })
    .autoOrient()
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: Error) => {
      // libvips repeats its complaint, one a line, and loses it where two images fail at once.
      const [complaint] = cause.message.split("\n");
      throw new Error(complaint === "Unknown error" ? "truncated or corrupt image" : complaint, { cause });
    });
  if (info.channels !== 1 && info.channels !== 3) throw new Error(`decoded to ${info.channels} channels, expected 3`);
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { width: info.width, height: info.height, channels: 3, data: info.channels === 3 ? pixels : replicate(pixels) };
}

function replicate(gray: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(gray.length * 3);
  for (let i = 0; i < gray.length; i++) rgb.fill(gray[i]!, i * 3, i * 3 + 3);
  return rgb;
}
