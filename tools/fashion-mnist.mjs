/**
 * Cuts the sample set in examples/data/fashion-mnist out of the full Fashion-MNIST.
 *
 *   node tools/fashion-mnist.mjs SOURCE_DIR TARGET_DIR
 *
 * SOURCE_DIR holds the four original files ({train,t10k}-{images-idx3,labels-idx1}-ubyte.gz), as in Debian's package
 * dataset-fashion-mnist (usr/share/datasets/fashion-mnist). TARGET_DIR gets four files of the same names and format, and classes.txt:
 * of every class the first 1,000 training and the first 200 test images, kept in the order of the original file.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

const CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
const IMAGES_MAGIC = 0x00000803;
const LABELS_MAGIC = 0x00000801;

/** The header's dimensions and the bytes after it. */
function readIdx(path, magic, rank) {
  const bytes = gunzipSync(readFileSync(path));
  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes || bytes.readUInt32BE(0) !== magic) throw new Error(`${path}: not an IDX file of rank ${rank}`);
  const dims = Array.from({ length: rank }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  const body = bytes.subarray(headerBytes);
  const expected = dims.reduce((a, b) => a * b, 1);
  if (body.length !== expected) throw new Error(`${path}: expected ${expected} bytes after the header, got ${body.length}`);
  return { dims, body };
}

function writeIdx(path, magic, dims, parts) {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.writeUInt32BE(magic, 0);
  dims.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis);
  });
  writeFileSync(`${path}.tmp`, gzipSync(Buffer.concat([header, ...parts]), { level: 9, memLevel: 9 }));
  renameSync(`${path}.tmp`, path);
}

function cut(source, target, prefix, perClass) {
  const imagesName = `${prefix}-images-idx3-ubyte.gz`;
  const labelsName = `${prefix}-labels-idx1-ubyte.gz`;
  const images = readIdx(join(source, imagesName), IMAGES_MAGIC, 3);
  const labels = readIdx(join(source, labelsName), LABELS_MAGIC, 1);
  const [count, height, width] = images.dims;
  if (labels.dims[0] !== count) throw new Error(`${prefix}: ${count} images, but ${labels.dims[0]} labels`);

  const taken = new Array(CLASSES.length).fill(0);
  const chosen = [];
  labels.body.forEach((label, index) => {
    if (label >= CLASSES.length) throw new Error(`${labelsName}: label ${label} at ${index}, expected less than ${CLASSES.length}`);
    if (taken[label] < perClass) {
      taken[label] += 1;
      chosen.push(index);
    }
  });
  if (chosen.length !== perClass * CLASSES.length) throw new Error(`${labelsName}: fewer than ${perClass} items in some class`);

  const pixels = height * width;
  const pick = (index) => images.body.subarray(index * pixels, (index + 1) * pixels);
  writeIdx(join(target, imagesName), IMAGES_MAGIC, [chosen.length, height, width], chosen.map(pick));
  writeIdx(join(target, labelsName), LABELS_MAGIC, [chosen.length], [Buffer.from(chosen.map((index) => labels.body[index]))]);
  console.log(`${prefix}: ${chosen.length} of ${count} images`);
}

const [source, target] = process.argv.slice(2);
if (source === undefined || target === undefined) {
  console.error("usage: node tools/fashion-mnist.mjs SOURCE_DIR TARGET_DIR");
  process.exit(2);
}
mkdirSync(target, { recursive: true });
cut(source, target, "train", 1000);
cut(source, target, "t10k", 200);
writeFileSync(join(target, "classes.txt"), `${CLASSES.join("\n")}\n`);
