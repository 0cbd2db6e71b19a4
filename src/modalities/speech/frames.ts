/** How many frames the convolutions of a feature extractor make of a waveform. */

/** Windows and steps of the convolutions, the first one first. */
export interface FrameGeometry {
  readonly convKernels: readonly number[];
  readonly convStrides: readonly number[];
}

/** Frames of `samples` samples; 0 where they are fewer than one frame needs. With the published sizes 16,000 samples give 49. */
export function frameCount(samples: number, { convKernels, convStrides }: FrameGeometry): number {
  return convKernels.reduce((length, kernel, i) => (length < kernel ? 0 : Math.floor((length - kernel) / convStrides[i]) + 1), samples);
}

/** Samples that one frame sees: 400 with the published sizes. */
export function receptiveField({ convKernels, convStrides }: FrameGeometry): number {
  return convKernels.reduceRight((length, kernel, i) => (length - 1) * convStrides[i] + kernel, 1);
}
