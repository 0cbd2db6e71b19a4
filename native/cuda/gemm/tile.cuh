// One tile of a product on tensor cores: operands come by asynchronous copies through a ring of stages in shared memory.
#ifndef DATA2VEC_CUDA_GEMM_TILE_CUH
#define DATA2VEC_CUDA_GEMM_TILE_CUH

#include "cuda/gemm/arithmetic.cuh"
#include "cuda/gemm/gemm.h"

namespace data2vec::cuda {

constexpr int kTileM = 128, kTileN = 128;
// Three stages take up to 62 KiB: two blocks fit a multiprocessor of a data center, one any that has tensor cores for f32.
template <typename T>
constexpr int kTileK = 64 / static_cast<int>(sizeof(T));
constexpr int kStages = 3;
constexpr int kGemmThreads = 256;
// Warps lie 2 x 4 over the tile, each with 4 x 4 fragments of 16 x 8.
constexpr int kWarpM = 64, kWarpN = 32;
constexpr int kFragmentsM = kWarpM / 16, kFragmentsN = kWarpN / 8;

// An operand's tile in shared memory, with rows padded so that the lanes of a fragment, or the rows of ldmatrix, lie in different banks.
template <typename T, bool Transposed, int Outer>
struct SharedTile {
  static constexpr int rows = Transposed ? kTileK<T> : Outer;
  static constexpr int columns = Transposed ? Outer : kTileK<T>;
  static constexpr int pitch = columns + (sizeof(T) == 2 || Transposed ? 8 : 4);
  static constexpr int size = rows * pitch;
};

// Starts the copies of a tile. `outer` is its first row of the product (column, of b), below `outerEnd`; `depth` below `depthEnd`. Group
// elements come in one copy; outside of the ends and of the view come zeros.
template <typename T, bool Transposed, int Outer, int Group>
__device__ __forceinline__ void copyTile(T* tile, const View& view, int64_t base, int32_t outer, int32_t outerEnd, int32_t depth,
                                         int32_t depthEnd) {
  using Tile = SharedTile<T, Transposed, Outer>;
  constexpr int perRow = Tile::columns / Group, rowsAtOnce = kGemmThreads / perRow;
  const int thread = static_cast<int>(threadIdx.x), firstRow = thread / perRow, column = thread % perRow * Group;
  const T* data = static_cast<const T*>(view.data) + base;
  const int32_t rowStart = Transposed ? depth : outer, rowEnd = Transposed ? depthEnd : outerEnd;
  const int32_t columnAt = (Transposed ? outer : depth) + column, columnEnd = Transposed ? outerEnd : depthEnd;
  const Offset columnOffset = view.column(min(columnAt, columnEnd));
#pragma unroll
  for (int i = 0; i < Tile::rows; i += rowsAtOnce) {
    const int row = firstRow + i;
    const Offset rowOffset = view.row(min(rowStart + row, rowEnd));
    const bool exists = rowStart + row < rowEnd && columnAt < columnEnd && view.has(rowOffset, columnOffset);
    const int elements = exists ? min(Group, columnEnd - columnAt) : 0;
    const T* from = exists ? data + rowOffset.elements + columnOffset.elements : data;
    T* to = tile + row * Tile::pitch + column;
    if constexpr (Group * sizeof(T) >= 4) {
      cp_async<static_cast<int>(Group * sizeof(T))>(to, from, elements * static_cast<int>(sizeof(T)));
    } else {
      *to = exists ? *from : fromFloat<T>(0.0f);
    }
  }
}

// Depths k .. k + 7 of one stage, of f32 elements.
template <bool Split, bool ATransposed, bool BTransposed>
__device__ __forceinline__ void multiplyF32(float (&sums)[kFragmentsM][kFragmentsN][4], const float* a, const float* b, int k, int m0, int n0,
                                            int group, int member) {
  using TileA = SharedTile<float, ATransposed, kTileM>;
  using TileB = SharedTile<float, BTransposed, kTileN>;
  using Fragment = F32Product<Split>;
  const auto elementA = [&](int row, int depth) { return a[ATransposed ? depth * TileA::pitch + row : row * TileA::pitch + depth]; };
  const auto elementB = [&](int column, int depth) { return b[BTransposed ? depth * TileB::pitch + column : column * TileB::pitch + depth]; };
  const auto operandB = [&](int column) {
    return typename Fragment::B(elementB(column, k + member), elementB(column, k + member + 4));
  };
  const typename Fragment::B fragments[kFragmentsN] = {operandB(n0 + group), operandB(n0 + 8 + group), operandB(n0 + 16 + group),
                                                       operandB(n0 + 24 + group)};
#pragma unroll
  for (int i = 0; i < kFragmentsM; ++i) {
    const int row = m0 + i * 16 + group, depth = k + member;
    const typename Fragment::A own(elementA(row, depth), elementA(row + 8, depth), elementA(row, depth + 4), elementA(row + 8, depth + 4));
#pragma unroll
    for (int j = 0; j < kFragmentsN; ++j) Fragment::add(sums[i][j], own, fragments[j]);
  }
}

// Depths k .. k + 15 of one stage, of bf16 elements.
template <bool ATransposed, bool BTransposed>
__device__ __forceinline__ void multiplyBf16(float (&sums)[kFragmentsM][kFragmentsN][4], const bf16* a, const bf16* b, int k, int m0, int n0,
                                             int lane) {
  using TileA = SharedTile<bf16, ATransposed, kTileM>;
  using TileB = SharedTile<bf16, BTransposed, kTileN>;
  // The matrices of a load, two ways in two directions: the first way changes with each eight lanes, the second with each sixteen.
  const int first = lane % 8 + lane / 8 % 2 * 8, second = lane / 16 * 8;
  uint32_t fragments[kFragmentsN][2];
#pragma unroll
  for (int j = 0; j < kFragmentsN; j += 2) {
    uint32_t loaded[4];
    const int column = n0 + j * 8;
    if constexpr (BTransposed)
      ldmatrix_x4_trans(loaded, b + (k + first) * TileB::pitch + column + second);
    else
      ldmatrix_x4(loaded, b + (column + lane % 8 + second) * TileB::pitch + k + lane / 8 % 2 * 8);
    fragments[j][0] = loaded[0], fragments[j][1] = loaded[1];
    fragments[j + 1][0] = loaded[2], fragments[j + 1][1] = loaded[3];
  }
#pragma unroll
  for (int i = 0; i < kFragmentsM; ++i) {
    uint32_t own[4];
    const int row = m0 + i * 16;
    if constexpr (ATransposed)
      ldmatrix_x4_trans(own, a + (k + lane % 8 + second) * TileA::pitch + row + lane / 8 % 2 * 8);
    else
      ldmatrix_x4(own, a + (row + first) * TileA::pitch + k + second);
#pragma unroll
    for (int j = 0; j < kFragmentsN; ++j) mma_m16n8k16_bf16(sums[i][j], own, fragments[j]);
  }
}

template <Arithmetic A, bool ATransposed, bool BTransposed>
constexpr size_t gemmSharedBytes() {
  using T = ElementOf<A>;
  return sizeof(T) * kStages * (SharedTile<T, ATransposed, kTileM>::size + SharedTile<T, BTransposed, kTileN>::size);
}

// A product as the kernel sees it: cut over the depth into `parts` of `partDepth`, whose sums, when there are several, go to `partials`
// [parts][batch][m][n] instead of c.
struct TiledProduct {
  Product product;
  int32_t tilesN, parts, partDepth;
  float* partials;
  bool pairs;  // whether elements 2 i and 2 i + 1 of a row of c may be written together
};

template <typename Out>
__device__ __forceinline__ void storeTile(const TiledProduct& t, const float (&sums)[kFragmentsM][kFragmentsN][4], int32_t m0, int32_t n0,
                                          int32_t batch, int32_t part, int group, int member) {
  const Product& p = t.product;
#pragma unroll
  for (int i = 0; i < 2 * kFragmentsM; ++i) {
    const int32_t row = m0 + i / 2 * 16 + i % 2 * 8 + group;
    if (row >= p.m) continue;
    Out* c = static_cast<Out*>(p.c.data) + batch * p.c.batchStep + p.c.row(row).elements;
    float* partial = t.partials + ((static_cast<int64_t>(part) * p.batch + batch) * p.m + row) * p.n;
#pragma unroll
    for (int j = 0; j < kFragmentsN; ++j) {
      const int32_t column = n0 + j * 8 + 2 * member;
      if (column >= p.n) continue;
      const bool both = column + 1 < p.n;
      float first = sums[i / 2][j][i % 2 * 2], second = sums[i / 2][j][i % 2 * 2 + 1];
      if (t.parts == 1) {
        if (p.bias != nullptr) {
          first += p.bias[batch * p.n + column];
          if (both) second += p.bias[batch * p.n + column + 1];
        }
        if (p.accumulate) {
          first += toFloat(c[column]);
          if (both) second += toFloat(c[column + 1]);
        }
      }
      if (t.parts > 1 && both)
        storePair(partial + column, first, second, t.pairs);
      else if (t.parts > 1)
        partial[column] = first;
      else if (both)
        storePair(c + column, first, second, t.pairs);
      else
        c[column] = fromFloat<Out>(first);
    }
  }
}

template <Arithmetic A, typename Out, bool ATransposed, bool BTransposed, int Group>
__global__ void __launch_bounds__(kGemmThreads) tileKernel(TiledProduct t) {
  using T = ElementOf<A>;
  using TileA = SharedTile<T, ATransposed, kTileM>;
  using TileB = SharedTile<T, BTransposed, kTileN>;
  DYNAMIC_SHARED(shared, T);
  const Product& p = t.product;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int32_t m0 = static_cast<int32_t>(blockIdx.x) / t.tilesN * kTileM, n0 = static_cast<int32_t>(blockIdx.x) % t.tilesN * kTileN;
  const int32_t batch = static_cast<int32_t>(blockIdx.z) / t.parts, part = static_cast<int32_t>(blockIdx.z) % t.parts;
  const int32_t depth0 = part * t.partDepth, depthEnd = min(p.k, depth0 + t.partDepth);
  const int32_t steps = (depthEnd - depth0 + kTileK<T> - 1) / kTileK<T>;

  const auto fetch = [&](int32_t step) {
    T* stage = shared + step % kStages * (TileA::size + TileB::size);
    const int32_t depth = depth0 + step * kTileK<T>;
    copyTile<T, ATransposed, kTileM, Group>(stage, p.a, batch * p.a.batchStep, m0, p.m, depth, depthEnd);
    copyTile<T, BTransposed, kTileN, Group>(stage + TileA::size, p.b, batch * p.b.batchStep, n0, p.n, depth, depthEnd);
  };
  float sums[kFragmentsM][kFragmentsN][4] = {};
  const int warpM = warp / 4 * kWarpM, warpN = warp % 4 * kWarpN;
  for (int32_t step = 0; step < kStages - 1; ++step) {
    if (step < steps) fetch(step);
    cp_async_commit();
  }
  for (int32_t step = 0; step < steps; ++step) {
    cp_async_wait<kStages - 2>();
    __syncthreads();
    // The stage that all threads left before the barrier.
    if (step + kStages - 1 < steps) fetch(step + kStages - 1);
    cp_async_commit();
    const T* a = shared + step % kStages * (TileA::size + TileB::size);
    const T* b = a + TileA::size;
#pragma unroll
    for (int k = 0; k < kTileK<T>; k += A == Arithmetic::bf16 ? 16 : 8) {
      if constexpr (A == Arithmetic::bf16)
        multiplyBf16<ATransposed, BTransposed>(sums, a, b, k, warpM, warpN, lane);
      else
        multiplyF32<A == Arithmetic::f32, ATransposed, BTransposed>(sums, a, b, k, warpM, warpN, lane / 4, lane % 4);
    }
  }
  storeTile<Out>(t, sums, m0 + warpM, n0 + warpN, batch, part, lane / 4, lane % 4);
}

template <Arithmetic A, typename Out, bool ATransposed, bool BTransposed, int Group>
void runTiles(const TiledProduct& t) {
  const Product& p = t.product;
  const auto tiles = static_cast<unsigned>((p.m + kTileM - 1) / kTileM) * static_cast<unsigned>(t.tilesN);
  launch(p.op, tileKernel<A, Out, ATransposed, BTransposed, Group>, dim3(tiles, 1, static_cast<unsigned>(p.batch * t.parts)), kGemmThreads,
         gemmSharedBytes<A, ATransposed, BTransposed>(), t);
}

// The kernel for how the operands lie. Not both transposed with the depth of b side by side: no op needs that.
template <Arithmetic A, typename Out, int Group>
void runLayout(const TiledProduct& t) {
  if (t.product.aTransposed)
    runTiles<A, Out, true, true, Group>(t);
  else if (t.product.bTransposed)
    runTiles<A, Out, false, true, Group>(t);
  else
    runTiles<A, Out, false, false, Group>(t);
}

// Copies of 16 bytes where all addresses allow them.
template <Arithmetic A, typename Out>
void runAligned(const TiledProduct& t) {
  constexpr size_t bytes = sizeof(ElementOf<A>);
  constexpr int group = static_cast<int>(16 / bytes);
  if (t.product.a.hasGroups(group, bytes) && t.product.b.hasGroups(group, bytes))
    runLayout<A, Out, group>(t);
  else
    runLayout<A, Out, 1>(t);
}

// One file each, since they take long to compile.
void runTilesF32(const TiledProduct& t);
void runTilesTf32(const TiledProduct& t);
void runTilesBf16(const TiledProduct& t);

}  // namespace data2vec::cuda

#endif
