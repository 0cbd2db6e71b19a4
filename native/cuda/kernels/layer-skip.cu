// layerSkip: takes each sample from a layer's output or, when the layer is dropped for it, from the layer's input; and its gradient.
#include "cuda/typed-kernels.h"
#include "cuda/philox.cuh"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

// A sample is cut into pieces that a warp takes.
constexpr int32_t kPiece = 1024;

struct SkipPieces {
  const uint32_t* rng;
  int32_t perSample, pieces;
  float probability;
  int32_t purpose;

  SkipPieces(const uint32_t* rng, int32_t perSample, float probability, int32_t purpose)
      : rng(rng), perSample(perSample), pieces(piecesOf(perSample, kPiece)), probability(probability), purpose(purpose) {}
  __device__ int32_t start(int32_t number) const { return number % pieces * kPiece; }
  __device__ size_t at(int32_t number) const { return static_cast<size_t>(number / pieces) * perSample + start(number); }
  __device__ int32_t count(int32_t number) const { return min(kPiece, perSample - start(number)); }
  __device__ bool keeps(int32_t number) const { return keepsSample(rng, number / pieces, probability, purpose); }
};

template <typename T>
struct Skip {
  T* y;
  const T *x, *r;
  SkipPieces split;

  __device__ void operator()(int32_t number) const {
    const size_t at = split.at(number);
    copyRow(y + at, (split.keeps(number) ? x : r) + at, split.count(number));
  }
};

template <typename T>
struct SkipGrad {
  T *dx, *dr;
  const T* dy;
  SkipPieces split;

  __device__ void operator()(int32_t number) const {
    const size_t at = split.at(number);
    const bool keeps = split.keeps(number);
    T *const passed = keeps ? dx : dr, *const cleared = keeps ? dr : dx;
    if (passed != nullptr) copyRow(passed + at, dy + at, split.count(number));
    if (cleared != nullptr) zeroRow(cleared + at, split.count(number));
  }
};

}  // namespace

template <typename T>
void layer_skip(T* y, const T* x, const T* r, const uint32_t* rng, int32_t samples, int32_t per_sample, float probability,
                int32_t purpose) {
  const SkipPieces split(rng, per_sample, probability, purpose);
  forRows("layer_skip", samples * split.pieces, Skip<T>{y, x, r, split});
}
DATA2VEC_FOR_EACH_TYPE(layer_skip)

template <typename T>
void layer_skip_grad(T* dx, T* dr, const T* dy, const uint32_t* rng, int32_t samples, int32_t per_sample, float probability,
                     int32_t purpose) {
  const SkipPieces split(rng, per_sample, probability, purpose);
  forRows("layer_skip_grad", samples * split.pieces, SkipGrad<T>{dx, dr, dy, split});
}
DATA2VEC_FOR_EACH_TYPE(layer_skip_grad)

}  // namespace data2vec::cuda
