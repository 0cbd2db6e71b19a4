// clipScale: what to multiply a gradient with so that its norm is at most max_norm; NaN when the norm isn't finite.
#include "cuda/launch.h"
#include "kernels.h"

using namespace data2vec::cuda;

namespace {

__global__ void clipScaleKernel(float* scale, const float* squaredNorm, float maxNorm) {
  const float squares = squaredNorm[0];
  if (!isfinite(squares)) {
    scale[0] = __int_as_float(0x7fc00000);
    return;
  }
  const float limit = maxNorm / (sqrtf(squares) + 1e-6f);
  scale[0] = maxNorm > 0 && limit < 1.0f ? limit : 1.0f;
}

}  // namespace

void clip_scale(float* scale, const float* squared_norm, float max_norm) {
  launch("clip_scale", clipScaleKernel, 1, 1, 0, scale, squared_norm, max_norm);
}
