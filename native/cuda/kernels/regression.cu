// regression: squared or smooth-L1 loss over the indexed rows, its gradient, and the deviation of prediction and target, in one pass.
#include "cuda/bf16.h"
#include "cuda/columns.cuh"
#include "cuda/typed-kernels.h"
#include "cuda/reduce.cuh"

namespace data2vec::cuda {

namespace {

constexpr double kVarianceEpsilon = 1e-6;

// Sums of a channel over some rows: prediction, its square, target, its square, all about the first row in use.
constexpr int kMoments = 4;

struct RowsInUse {
  int32_t count, origin;
};

// How many rows are in use, and the first of them; by one block.
__global__ void rowsInUseKernel(RowsInUse* use, const int32_t* index, int32_t rows) {
  SHARED(firsts, int32_t[kThreads]);
  int32_t count = 0, origin = rows;
  for (int32_t r = static_cast<int32_t>(threadIdx.x); r < rows; r += kThreads) {
    if (index[r] < 0) continue;
    ++count;
    origin = min(origin, r);
  }
  firsts[threadIdx.x] = origin;
  const int32_t total = blockSum(count);
  if (threadIdx.x != 0) return;
  for (int i = 1; i < kThreads; ++i) origin = min(origin, firsts[i]);
  *use = {total, total > 0 ? origin : 0};
}

template <typename T>
struct Regression {
  T* dPrediction;
  const T* prediction;
  const float* target;
  const int32_t* index;
  const float* normalizer;
  const RowsInUse* use;
  float* moments;  // [pieces][kMoments][dim]
  double* losses;  // [pieces][blocks of channels]
  int32_t rows, dim, chunk;
  float beta, scale;
};

__device__ inline void addMoments(float* sums, float x) {
  sums[0] += x;
  sums[1] = fmaf(x, x, sums[1]);
}

// A block takes kColumns channels of a piece of the rows.
template <typename T>
__global__ void regressionKernel(Regression<T> a) {
  const int32_t c = static_cast<int32_t>(blockIdx.x * kColumns + threadIdx.x % kColumns), piece = static_cast<int32_t>(blockIdx.y);
  const int32_t end = min(a.rows, (piece + 1) * a.chunk);
  const float factor = a.scale / a.normalizer[0], curvature = a.beta == 0 ? 2.0f : 1.0f / a.beta;
  float sums[kMoments] = {}, loss = 0;
  if (c < a.dim) {
    const size_t origin = static_cast<size_t>(a.use->origin) * a.dim + c;
    const float firstPrediction = toFloat(a.prediction[origin]), firstTarget = a.target[origin];
    for (int32_t row = piece * a.chunk + static_cast<int32_t>(threadIdx.x) / kColumns; row < end; row += kColumnLanes) {
      const size_t at = static_cast<size_t>(row) * a.dim + c;
      if (a.index[row] < 0) {
        a.dPrediction[at] = fromFloat<T>(0.0f);
        continue;
      }
      const float prediction = toFloat(a.prediction[at]), target = a.target[at], z = prediction - target, size = fabsf(z);
      // Not for NaN, which then goes on into the gradient.
      const bool bent = a.beta != 0 && size >= a.beta;
      loss += bent ? size - 0.5f * a.beta : 0.5f * curvature * z * z;
      a.dPrediction[at] = fromFloat<T>(factor * (bent ? copysignf(1.0f, z) : curvature * z));
      addMoments(sums, prediction - firstPrediction);
      addMoments(sums + 2, target - firstTarget);
    }
  }
  addColumnLanes(sums);
  if (threadIdx.x < kColumns && c < a.dim) {
#pragma unroll
    for (int n = 0; n < kMoments; ++n) a.moments[(static_cast<size_t>(piece) * kMoments + n) * a.dim + c] = sums[n];
  }
  const double total = blockSum(static_cast<double>(loss));
  if (threadIdx.x == 0) a.losses[static_cast<size_t>(piece) * gridDim.x + blockIdx.x] = total;
}

// sqrt(unbiased variance + 1e-6) of prediction and target, of one channel for each thread: deviations [2][dim].
__global__ void deviationsKernel(double* deviations, const float* moments, const RowsInUse* use, int32_t dim, int32_t pieces) {
  const size_t c = threadNumber();
  if (c >= static_cast<size_t>(dim)) return;
  const double count = use->count;
  for (int which = 0; which < 2; ++which) {
    double sum = 0, squares = 0;
    for (int32_t piece = 0; piece < pieces; ++piece) {
      const float* of = moments + (static_cast<size_t>(piece) * kMoments + 2 * which) * dim + c;
      sum += of[0];
      squares += of[dim];
    }
    const double variance = (squares - sum * sum / count) / (count - 1);
    deviations[static_cast<size_t>(which) * dim + c] = count < 2 ? 0 : sqrt((variance < 0 ? 0 : variance) + kVarianceEpsilon);
  }
}

__global__ void regressionStatsKernel(float* stats, const double* losses, int32_t lossCount, const double* deviations, int32_t dim,
                                      const RowsInUse* use, const float* normalizer, float scale) {
  const double loss = sumOfPartials(losses, lossCount), prediction = sumOfPartials(deviations, dim);
  const double target = sumOfPartials(deviations + dim, dim);
  if (threadIdx.x != 0) return;
  stats[0] = static_cast<float>(static_cast<double>(scale / normalizer[0]) * loss);
  stats[1] = static_cast<float>(prediction / dim);
  stats[2] = static_cast<float>(target / dim);
  stats[3] = static_cast<float>(use->count);
}

}  // namespace

template <typename T>
void regression(float* stats, T* d_prediction, const T* prediction, const float* target, const int32_t* index, const float* normalizer,
                int32_t rows, int32_t dim, float beta, float scale) {
  const char* op = "regression";
  const ColumnSplit split(rows, dim);
  const int32_t columnBlocks = piecesOf(dim, kColumns), lossCount = columnBlocks * split.pieces;
  // Doubles first, so that all of it is aligned.
  double* losses = workspace<double>(static_cast<size_t>(lossCount) + 2 * static_cast<size_t>(dim) + 1 +
                                     (static_cast<size_t>(split.pieces) * kMoments * dim + 1) / 2);
  double* deviations = losses + lossCount;
  auto* use = reinterpret_cast<RowsInUse*>(deviations + 2 * static_cast<size_t>(dim));
  auto* moments = reinterpret_cast<float*>(use + 1);
  launch(op, rowsInUseKernel, 1, kThreads, 0, use, index, rows);
  if (lossCount > 0) {
    const Regression<T> a{d_prediction, prediction, target, index, normalizer, use, moments, losses, rows, dim, split.chunk, beta, scale};
    launch(op, regressionKernel<T>, dim3(static_cast<unsigned>(columnBlocks), static_cast<unsigned>(split.pieces)), kThreads, 0, a);
  }
  launch(op, deviationsKernel, piecesOf(dim, kThreads), kThreads, 0, deviations, moments, use, dim, split.pieces);
  launch(op, regressionStatsKernel, 1, kThreads, 0, stats, losses, lossCount, deviations, dim, use, normalizer, scale);
}
DATA2VEC_FOR_EACH_TYPE(regression)

}  // namespace data2vec::cuda
