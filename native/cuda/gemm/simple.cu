// The product in its simplest right form, a thread for each element: the check and the fall-back of the others.
#include "cuda/bf16.h"
#include "cuda/gemm/gemm.h"

namespace data2vec::cuda {

namespace {

constexpr int kTile = 16;

// The element of an operand at a place of its outer size and of depth, 0 where there is none.
template <typename T>
__device__ float elementAt(const View& view, bool transposed, int32_t outer, int32_t depth, int32_t batch) {
  const Offset row = view.row(transposed ? depth : outer), column = view.column(transposed ? outer : depth);
  if (!view.has(row, column)) return 0.0f;
  return toFloat(static_cast<const T*>(view.data)[batch * view.batchStep + row.elements + column.elements]);
}

template <typename In, typename Out>
__global__ void simpleKernel(Product p, int32_t tilesN) {
  SHARED(a, float[kTile][kTile + 1]);
  SHARED(b, float[kTile][kTile + 1]);
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y), batch = static_cast<int>(blockIdx.z);
  const int m0 = static_cast<int>(blockIdx.x) / tilesN * kTile, n0 = static_cast<int>(blockIdx.x) % tilesN * kTile;
  float sum = 0.0f;
  for (int k = 0; k < p.k; k += kTile) {
    a[y][x] = m0 + y < p.m && k + x < p.k ? elementAt<In>(p.a, p.aTransposed, m0 + y, k + x, batch) : 0.0f;
    b[y][x] = n0 + y < p.n && k + x < p.k ? elementAt<In>(p.b, p.bTransposed, n0 + y, k + x, batch) : 0.0f;
    __syncthreads();
    for (int i = 0; i < kTile; ++i) sum += a[y][i] * b[x][i];
    __syncthreads();
  }
  if (m0 + y >= p.m || n0 + x >= p.n) return;
  Out* c = static_cast<Out*>(p.c.data) + batch * p.c.batchStep + p.c.row(m0 + y).elements + n0 + x;
  if (p.bias != nullptr) sum += p.bias[batch * p.n + n0 + x];
  *c = fromFloat<Out>(p.accumulate ? toFloat(*c) + sum : sum);
}

template <typename In, typename Out>
void run(const Product& p) {
  const int32_t tilesM = (p.m + kTile - 1) / kTile, tilesN = (p.n + kTile - 1) / kTile;
  launch(p.op, simpleKernel<In, Out>, dim3(static_cast<unsigned>(tilesM) * static_cast<unsigned>(tilesN), 1, static_cast<unsigned>(p.batch)),
         dim3(kTile, kTile), 0, p, tilesN);
}

}  // namespace

void gemmSimple(const Product& p) {
  if (p.in == Element::f32)
    run<float, float>(p);
  else if (p.out == Element::f32)
    run<bf16, float>(p);
  else
    run<bf16, bf16>(p);
}

}  // namespace data2vec::cuda
