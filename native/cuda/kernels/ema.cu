// ema: teacher = decay * teacher + (1 - decay) * student.
#include "cuda/grid.h"
#include "cuda/launch.h"
#include "cuda/pack.cuh"
#include "kernels.h"

using namespace data2vec::cuda;

namespace {

__device__ inline float follow(float teacher, float student, float decay) { return fmaf(1.0f - decay, student - teacher, teacher); }

// The mirror, of the teacher, is optional.
template <bool packed>
__global__ void emaKernel(float* teacher, bf16* mirror, const float* student, const float* decay, int32_t count) {
  const float own = decay[0];
  const size_t i = threadNumber() * (packed ? 4 : 1), end = static_cast<size_t>(count);
  if (packed && i + 4 <= end) {
    Pack<float> values = loadPack(teacher + i);
    const Pack<float> wanted = loadPack(student + i);
#pragma unroll
    for (int j = 0; j < 4; ++j) values.v[j] = follow(values.v[j], wanted.v[j], own);
    storePack(teacher + i, values);
    if (mirror != nullptr) storePack(mirror + i, rounded(values));
    return;
  }
  for (size_t e = i; e < end && e < i + (packed ? 4 : 1); ++e) {
    teacher[e] = follow(teacher[e], student[e], own);
    if (mirror != nullptr) mirror[e] = fromFloat<bf16>(teacher[e]);
  }
}

}  // namespace

void ema(float *teacher, const float *student, const float *decay, int32_t count) {
  if (count == 0) return;
  auto* mirror = static_cast<bf16*>(context().mirrorOf(teacher));
  if (isAligned(teacher) && isAligned(student) && isAligned(mirror)) {
    launch("ema", emaKernel<true>, piecesOf(count, 4 * kThreads), kThreads, 0, teacher, mirror, student, decay, count);
  } else {
    launch("ema", emaKernel<false>, piecesOf(count, kThreads), kThreads, 0, teacher, mirror, student, decay, count);
  }
}
