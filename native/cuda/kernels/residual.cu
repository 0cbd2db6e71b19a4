// residual: y = r + keep / (1 - drop_path) * gamma * x, with layer scale (gamma) and drop path per sample, and its gradient.
#include "cuda/columns.cuh"
#include "cuda/typed-kernels.h"
#include "cuda/philox.cuh"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

struct DropPath {
  const uint32_t* rng;
  int32_t rowsPerSample;
  float probability;
  int32_t purpose;
  __device__ float keep(int32_t row) const { return sampleKeep(rng, row / rowsPerSample, probability, purpose); }
};

template <typename T>
struct ResidualRow {
  T* y;
  const T *r, *x;
  const float* gamma;
  int32_t dim;
  DropPath path;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * dim;
    const float keep = path.keep(row);
    if (keep == 0) {
      copyRow(y + at, r + at, dim);
    } else if (gamma != nullptr) {
      mapRow(dim, [keep](int32_t, float r, float x, float g) { return fmaf(keep * g, x, r); }, y + at, r + at, x + at, gamma);
    } else {
      mapRow(dim, [keep](int32_t, float r, float x) { return fmaf(keep, x, r); }, y + at, r + at, x + at);
    }
  }
};

template <typename T>
struct ResidualGradRow {
  T* dx;
  const T* dy;
  const float* gamma;
  int32_t dim;
  DropPath path;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * dim;
    const float keep = path.keep(row);
    if (keep == 0) {
      zeroRow(dx + at, dim);
    } else if (gamma != nullptr) {
      mapRow(dim, [keep](int32_t, float dy, float g) { return keep * dy * g; }, dx + at, dy + at, gamma);
    } else {
      mapRow(dim, [keep](int32_t, float dy) { return keep * dy; }, dx + at, dy + at);
    }
  }
};

template <typename T>
struct GammaGrad {
  const T *dy, *x;
  int32_t dim;
  DropPath path;

  __device__ void operator()(int32_t row, int32_t c, float (&sums)[1]) const {
    const size_t at = static_cast<size_t>(row) * dim + c;
    const float keep = path.keep(row);
    if (keep != 0) sums[0] = fmaf(keep * toFloat(dy[at]), toFloat(x[at]), sums[0]);
  }
};

}  // namespace

template <typename T>
void residual(T* y, const T* r, const T* x, const float* gamma, const uint32_t* rng, int32_t samples, int32_t rows_per_sample,
              int32_t dim, float drop_path, int32_t purpose) {
  const DropPath path{rng, rows_per_sample, drop_path, purpose};
  forRows("residual", samples * rows_per_sample, ResidualRow<T>{y, r, x, gamma, dim, path});
}
DATA2VEC_FOR_EACH_TYPE(residual)

template <typename T>
void residual_grad(T* dx, float* d_gamma, const T* dy, const T* x, const float* gamma, const uint32_t* rng, int32_t samples,
                   int32_t rows_per_sample, int32_t dim, float drop_path, int32_t purpose) {
  const DropPath path{rng, rows_per_sample, drop_path, purpose};
  const int32_t rows = samples * rows_per_sample;
  forRows("residual_grad", rows, ResidualGradRow<T>{dx, dy, gamma, dim, path});
  if (d_gamma != nullptr) addColumnSums<1>("residual_grad", {d_gamma}, rows, dim, GammaGrad<T>{dy, x, dim, path});
}
DATA2VEC_FOR_EACH_TYPE(residual_grad)

}  // namespace data2vec::cuda
