// Chooses how a product is computed, and cuts long ones of few tiles over their depth.
#include "cuda/gemm/gemm.h"

#include <algorithm>
#include <string>

#include "cuda/bf16.h"
#include "cuda/gemm/tile.cuh"

namespace data2vec::cuda {

namespace {

// Enough tiles for two to each multiprocessor of the largest GPUs; a constant, so that all GPUs sum in one order.
constexpr int64_t kEnoughTiles = 264;
constexpr int32_t kMostParts = 16;
constexpr int32_t kLeastPartDepth = 128, kPartStep = 32;
constexpr int kReduceThreads = 256;

template <typename Out>
__global__ void reduceParts(Product p, const float* partials, int32_t parts) {
  const int64_t size = static_cast<int64_t>(p.batch) * p.m * p.n;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x;
  if (i >= size) return;
  float sum = 0.0f;
  for (int32_t part = 0; part < parts; ++part) sum += partials[part * size + i];
  const auto column = static_cast<int32_t>(i % p.n);
  const int64_t row = i / p.n;
  const auto batch = static_cast<int32_t>(row / p.m);
  if (p.bias != nullptr) sum += p.bias[batch * p.n + column];
  Out* c = static_cast<Out*>(p.c.data) + batch * p.c.batchStep + p.c.row(static_cast<int32_t>(row % p.m)).elements + column;
  *c = fromFloat<Out>(p.accumulate ? toFloat(*c) + sum : sum);
}

constexpr int kSumColumns = 32, kSumRows = 8;

// partials[part][column] = the sum of rows part * partRows ..
template <typename T>
__global__ void sumColumns(float* partials, const T* x, int32_t rows, int32_t columns, int32_t partRows) {
  SHARED(sums, float[kSumRows][kSumColumns]);
  const int x0 = static_cast<int>(threadIdx.x), y0 = static_cast<int>(threadIdx.y);
  const auto column = static_cast<int32_t>(blockIdx.x) * kSumColumns + x0;
  const int32_t first = static_cast<int32_t>(blockIdx.y) * partRows, end = min(rows, first + partRows);
  float sum = 0.0f;
  if (column < columns)
    for (int32_t row = first + y0; row < end; row += kSumRows) sum += toFloat(x[static_cast<int64_t>(row) * columns + column]);
  sums[y0][x0] = sum;
  __syncthreads();
  if (y0 > 0 || column >= columns) return;
  for (int i = 1; i < kSumRows; ++i) sum += sums[i][x0];
  partials[static_cast<int64_t>(blockIdx.y) * columns + column] = sum;
}

__global__ void addParts(float* sums, const float* partials, int32_t columns, int32_t parts) {
  const auto column = static_cast<int32_t>(blockIdx.x * kReduceThreads + threadIdx.x);
  if (column >= columns) return;
  float sum = 0.0f;
  for (int32_t part = 0; part < parts; ++part) sum += partials[static_cast<int64_t>(part) * columns + column];
  sums[column] += sum;
}

unsigned blocksOf(int64_t count, int64_t size) { return static_cast<unsigned>((count + size - 1) / size); }

}  // namespace

void gemmTensorCores(const Product& p) {
  if (p.aTransposed && !p.bTransposed) throw CudaError(std::string(p.op) + ": no kernel for a transposed and b not");
  TiledProduct t{p, (p.n + kTileN - 1) / kTileN, 1, p.k, nullptr, p.n % 2 == 0 && p.c.hasGroups(2, p.out == Element::bf16 ? 2 : 4)};
  const int64_t tiles = static_cast<int64_t>((p.m + kTileM - 1) / kTileM) * t.tilesN * p.batch;
  const auto parts = static_cast<int32_t>(std::min<int64_t>({kEnoughTiles / tiles, kMostParts, p.k / kLeastPartDepth}));
  if (parts > 1) {
    t.partDepth = ((p.k + parts - 1) / parts + kPartStep - 1) / kPartStep * kPartStep;
    t.parts = (p.k + t.partDepth - 1) / t.partDepth;
  }
  const int64_t size = static_cast<int64_t>(p.batch) * p.m * p.n;
  if (t.parts > 1) t.partials = static_cast<float*>(context().workspace(static_cast<size_t>(size * t.parts) * sizeof(float)));
  if (p.in == Element::bf16)
    runTilesBf16(t);
  else if (context().precision == Precision::tf32)
    runTilesTf32(t);
  else
    runTilesF32(t);
  if (t.parts <= 1) return;
  launch(p.op, p.out == Element::bf16 ? reduceParts<bf16> : reduceParts<float>, blocksOf(size, kReduceThreads), kReduceThreads, 0, p,
         static_cast<const float*>(t.partials), t.parts);
}

void gemm(const Product& p) {
  if (p.m == 0 || p.n == 0 || p.batch == 0) return;
  if (context().simple) return gemmSimple(p);
  if (!gemmLibrary(p)) gemmTensorCores(p);
}

void addColumnSums(const char* op, float* sums, const void* x, Element element, int32_t rows, int32_t columns) {
  if (rows == 0 || columns == 0) return;
  const int32_t partRows = std::max(64, (rows + 63) / 64), parts = (rows + partRows - 1) / partRows;
  auto* partials = static_cast<float*>(context().workspace(static_cast<size_t>(parts) * static_cast<size_t>(columns) * sizeof(float)));
  const dim3 grid(blocksOf(columns, kSumColumns), static_cast<unsigned>(parts)), block(kSumColumns, kSumRows);
  if (element == Element::f32)
    launch(op, sumColumns<float>, grid, block, 0, partials, static_cast<const float*>(x), rows, columns, partRows);
  else
    launch(op, sumColumns<bf16>, grid, block, 0, partials, static_cast<const bf16*>(x), rows, columns, partRows);
  launch(op, addParts, blocksOf(columns, kReduceThreads), kReduceThreads, 0, sums, static_cast<const float*>(partials), columns, parts);
}

}  // namespace data2vec::cuda
