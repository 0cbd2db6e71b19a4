// Tiles of attention on tensor cores: rows of queries, keys, values or gradients in shared memory, and scores in the registers of a warp.
//
// A warp has 16 rows (queries, or keys) against kColumns of the other; element e of fragment j in a lane is, with group = lane / 4 and
// member = lane % 4, row group + e / 2 * 8, column 8 j + 2 member + e % 2.
#ifndef DATA2VEC_CUDA_KERNELS_ATTENTION_TILE_CUH
#define DATA2VEC_CUDA_KERNELS_ATTENTION_TILE_CUH

#include <string>
#include <type_traits>

#include "cuda/gemm/arithmetic.cuh"
#include "cuda/kernels/attention/attention.h"

namespace data2vec::cuda::attend {

constexpr int kWarps = 4, kThreads = 32 * kWarps;
constexpr int kRows = 16 * kWarps;
constexpr uint32_t kAllLanes = 0xffffffffu;

// A tile of kernels for one arithmetic and up to HeadDim channels, a multiple of 16. With Alibi kernels have the slopes too, whose work takes
// registers that others are better off without.
template <Arithmetic A, int HeadDim, bool Alibi>
struct Tile {
  using T = ElementOf<A>;
  static constexpr Arithmetic arithmetic = A;
  static constexpr int headDim = HeadDim;
  static constexpr bool alibi = Alibi;
  // So that no kernel takes more than 99 KiB, which every GPU with tensor cores for f32 has for a block.
  static constexpr int columns = A == Arithmetic::bf16 ? (HeadDim <= 80 ? 64 : 32) : HeadDim <= 80 ? 32 : 16;
  static constexpr int fragments = columns / 8;
  static constexpr int headFragments = HeadDim / 8;
  // Padded so that the lanes of a fragment, or the rows of ldmatrix, lie in different banks.
  static constexpr int pitch = HeadDim + (sizeof(T) == 2 ? 8 : 4);
  static constexpr int rowsSize = kRows * pitch, columnsSize = columns * pitch;
};

// Starts the copies of Rows rows, `step` elements apart, of which `rows` exist; beyond them and beyond headDim come zeros.
template <typename Tile, int Rows, typename T>
__device__ __forceinline__ void copyRows(T* tile, const T* from, int64_t step, int32_t rows, int32_t headDim, bool aligned) {
  const auto copy = [&](auto size) {
    constexpr int group = decltype(size)::value, perRow = Tile::headDim / group;
    for (int i = static_cast<int>(threadIdx.x); i < Rows * perRow; i += kThreads) {
      const int row = i / perRow, column = i % perRow * group;
      const bool exists = row < rows && column < headDim;
      const T* source = exists ? from + row * step + column : from;
      T* to = tile + row * Tile::pitch + column;
      if constexpr (group * sizeof(T) >= 4) {
        cp_async<static_cast<int>(group * sizeof(T))>(to, source, exists ? static_cast<int>(group * sizeof(T)) : 0);
      } else {
        *to = exists ? *source : fromFloat<T>(0.0f);
      }
    }
  };
  if (aligned)
    copy(std::integral_constant<int, 16 / static_cast<int>(sizeof(T))>{});
  else
    copy(std::integral_constant<int, 1>{});
}

// The queries (part 0), keys (1) or values (2) of a head from `token` on, of which those below `end` exist.
template <typename Tile, int Rows, typename T>
__device__ __forceinline__ void copyPart(T* tile, const AttentionShape<T>& s, int32_t b, int32_t h, int32_t part, int32_t token, int32_t end,
                                         bool aligned) {
  const T* from = s.qkv + s.qkvOf(b, h, part) + token * s.qkvStep();
  copyRows<Tile, Rows>(tile, from, s.qkvStep(), end - token, s.headDim, aligned);
}

// Rows of out, or its gradient.
template <typename Tile, int Rows, typename T>
__device__ __forceinline__ void copyOut(T* tile, const T* out, const AttentionShape<T>& s, int32_t b, int32_t h, int32_t token, bool aligned) {
  const T* from = out + s.outOf(b, h) + token * s.outStep();
  copyRows<Tile, Rows>(tile, from, s.outStep(), s.tokens - token, s.headDim, aligned);
}

// Whether rows of qkv and of out may be copied 16 bytes at a time.
template <typename T>
bool alignedRows(int32_t headDim, std::initializer_list<const void*> pointers) {
  if (headDim * sizeof(T) % 16 != 0) return false;
  for (const void* pointer : pointers) if (reinterpret_cast<uintptr_t>(pointer) % 16 != 0) return false;
  return true;
}

// scores = x · yᵀ: the warp's 16 rows of x, from its first, against the rows of y.
template <typename Tile>
__device__ __forceinline__ void multiplyRows(float (&scores)[Tile::fragments][4], const typename Tile::T* x, const typename Tile::T* y,
                                             int lane) {
  constexpr int pitch = Tile::pitch;
  const int group = lane / 4, member = lane % 4;
#pragma unroll
  for (int j = 0; j < Tile::fragments; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) scores[j][e] = 0.0f;
  if constexpr (Tile::arithmetic == Arithmetic::bf16) {
#pragma unroll
    for (int k = 0; k < Tile::headDim; k += 16) {
      uint32_t a[4];
      ldmatrix_x4(a, x + lane % 16 * pitch + k + lane / 16 * 8);
#pragma unroll
      for (int j = 0; j < Tile::fragments; j += 2) {
        uint32_t b[4];
        ldmatrix_x4(b, y + (j * 8 + lane % 8 + lane / 16 * 8) * pitch + k + lane / 8 % 2 * 8);
        mma_m16n8k16_bf16(scores[j], a, {b[0], b[1]});
        mma_m16n8k16_bf16(scores[j + 1], a, {b[2], b[3]});
      }
    }
  } else {
    using Fragment = F32Product<Tile::arithmetic == Arithmetic::f32>;
    // Unrolled in full it would take the compiler minutes.
#pragma unroll 2
    for (int k = 0; k < Tile::headDim; k += 8) {
      const float* row = x + group * pitch + k + member;
      const typename Fragment::A a(row[0], row[8 * pitch], row[4], row[8 * pitch + 4]);
#pragma unroll
      for (int j = 0; j < Tile::fragments; ++j) {
        const float* column = y + (j * 8 + group) * pitch + k + member;
        Fragment::add(scores[j], a, typename Fragment::B(column[0], column[4]));
      }
    }
  }
}

// Takes ALiBi's part from scores that are still to be scaled. Rows are queries and columns keys, or the other way round.
template <typename Tile, typename T>
__device__ __forceinline__ void subtractDistances(float (&scores)[Tile::fragments][4], const AttentionShape<T>& s, int32_t b, int32_t h,
                                                  int32_t row0, int32_t column0, int lane) {
  if constexpr (Tile::alibi) {
    const int group = lane / 4, member = lane % 4;
    const float slope = s.slope(h) / s.scale;
    const int32_t rows[2] = {s.position(b, row0 + group), s.position(b, row0 + group + 8)};
#pragma unroll
    for (int j = 0; j < Tile::fragments; ++j) {
      const int32_t column = column0 + j * 8 + 2 * member, columns[2] = {s.position(b, column), s.position(b, column + 1)};
#pragma unroll
      for (int e = 0; e < 4; ++e) scores[j][e] -= slope * distance(rows[e / 2], columns[e % 2]);
    }
  }
}

// sums += weights · y: the warp's 16 rows of weights, as scores lie, times the rows of y.
template <typename Tile>
__device__ __forceinline__ void multiplyWeights(float (&sums)[Tile::headFragments][4], const float (&weights)[Tile::fragments][4],
                                                const typename Tile::T* y, int lane) {
  constexpr int pitch = Tile::pitch;
  if constexpr (Tile::arithmetic == Arithmetic::bf16) {
#pragma unroll
    for (int k = 0; k < Tile::fragments; k += 2) {
      // What a lane has of two fragments of a result is what it needs of one operand of the next product.
      const uint32_t a[4] = {packBf16(weights[k][0], weights[k][1]), packBf16(weights[k][2], weights[k][3]),
                             packBf16(weights[k + 1][0], weights[k + 1][1]), packBf16(weights[k + 1][2], weights[k + 1][3])};
#pragma unroll
      for (int j = 0; j < Tile::headFragments; j += 2) {
        uint32_t b[4];
        ldmatrix_x4_trans(b, y + (k * 8 + lane % 16) * pitch + j * 8 + lane / 16 * 8);
        mma_m16n8k16_bf16(sums[j], a, {b[0], b[1]});
        mma_m16n8k16_bf16(sums[j + 1], a, {b[2], b[3]});
      }
    }
  } else {
    using Fragment = F32Product<Tile::arithmetic == Arithmetic::f32>;
    const int group = lane / 4, member = lane % 4;
#pragma unroll
    for (int k = 0; k < Tile::fragments; ++k) {
      // A sum may take its columns in any order: `member` stands for column 2 member and `member + 4` for the one after it.
      const typename Fragment::A a(weights[k][0], weights[k][2], weights[k][1], weights[k][3]);
      const float* rows = y + (k * 8 + 2 * member) * pitch + group;
#pragma unroll
      for (int j = 0; j < Tile::headFragments; ++j) Fragment::add(sums[j], a, typename Fragment::B(rows[j * 8], rows[pitch + j * 8]));
    }
  }
}

__device__ __forceinline__ uint32_t pick(const RandomBits& bits, int i) {
  const uint32_t low = i % 2 == 0 ? bits.v[0] : bits.v[1], high = i % 2 == 0 ? bits.v[2] : bits.v[3];
  return i < 2 ? low : high;
}

// Dropout of one fragment: factors of 0 or 1 / (1 - dropout). Each lane draws four numbers and lanes trade them.
class Dropout {
 public:
  template <typename T>
  __device__ Dropout(const AttentionShape<T>& s, int32_t b, int32_t h)
      : rng_(s.rng), sample_(static_cast<uint32_t>(b)), purpose_(static_cast<uint32_t>(s.purpose)), first_(s.randomBlock(h, 0)),
        step_(static_cast<uint32_t>((s.tokens + 3) / 4)), threshold_(dropThreshold(s.dropout)), kept_(1.0f / (1.0f - s.dropout)) {}

  // Rows are queries, columns keys; `key`, the first, is a multiple of 8. Two neighbours share the four keys of a draw: each draws for one
  // row.
  __device__ __forceinline__ void ofQueries(float (&factors)[4], int32_t query, int32_t key, int lane) const {
    const int group = lane / 4, member = lane % 4, odd = member % 2;
    const RandomBits own = draw(query + group + odd * 8, key + member / 2 * 4);
    const uint32_t first = __shfl_xor_sync(kAllLanes, odd ? own.v[0] : own.v[2], 1);
    const uint32_t second = __shfl_xor_sync(kAllLanes, odd ? own.v[1] : own.v[3], 1);
    factors[0] = factor(odd ? first : own.v[0]);
    factors[1] = factor(odd ? second : own.v[1]);
    factors[2] = factor(odd ? own.v[2] : first);
    factors[3] = factor(odd ? own.v[3] : second);
  }

  // Rows are keys, the first a multiple of 8, columns queries. The four lanes of four keys in a row each draw for one of the elements.
  __device__ __forceinline__ void ofKeys(float (&factors)[4], int32_t key, int32_t query, int lane) const {
    const int group = lane / 4, member = lane % 4, own = group % 4;
    const RandomBits drawn = draw(query + 2 * member + own % 2, key + group / 4 * 4 + own / 2 * 8);
    uint32_t bits[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) bits[i] = __shfl_xor_sync(kAllLanes, pick(drawn, own ^ i), i * 4);
    const RandomBits received{{bits[0], bits[1], bits[2], bits[3]}};
#pragma unroll
    for (int e = 0; e < 4; ++e) factors[e] = factor(pick(received, own ^ e));
  }

 private:
  __device__ RandomBits draw(int32_t query, int32_t key) const {
    return philox(rng_, sample_, purpose_, first_ + static_cast<uint32_t>(query) * step_ + static_cast<uint32_t>(key / 4));
  }
  __device__ float factor(uint32_t bits) const { return bits >= threshold_ ? kept_ : 0.0f; }

  const uint32_t* rng_;
  uint32_t sample_, purpose_, first_, step_, threshold_;
  float kept_;
};

// e^x: in full precision where products are.
template <Arithmetic A>
__device__ __forceinline__ float exponential(float x) {
  return A == Arithmetic::f32 ? expf(x) : __expf(x);
}

// Over the four lanes that share a row.
__device__ __forceinline__ float rowSum(float value) {
  value += __shfl_xor_sync(kAllLanes, value, 1);
  return value + __shfl_xor_sync(kAllLanes, value, 2);
}
__device__ __forceinline__ float rowLargest(float value) {
  value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
  return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
}

// Writes the warp's 16 rows, of which `rows` exist: to[row * step] = the factor of the half * sums. `aligned`: pairs lie at multiples of
// their size.
template <typename Tile, typename T>
__device__ __forceinline__ void storeRows(T* to, int64_t step, int32_t rows, int32_t headDim, const float (&sums)[Tile::headFragments][4],
                                          float upper, float lower, int lane, bool aligned) {
  const int group = lane / 4, member = lane % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = group + half * 8;
    if (row >= rows) continue;
    const float factor = half == 0 ? upper : lower;
#pragma unroll
    for (int j = 0; j < Tile::headFragments; ++j) {
      const int d = j * 8 + 2 * member;
      const float first = sums[j][half * 2] * factor, second = sums[j][half * 2 + 1] * factor;
      if (d + 1 < headDim)
        storePair(to + row * step + d, first, second, aligned);
      else if (d < headDim)
        to[row * step + d] = fromFloat<T>(first);
    }
  }
}

// Calls run(Tile) for the arithmetic of the current context and the smallest tile that holds headDim, which is kMostHeadDim at most, and slopes.
template <Arithmetic A, typename Run>
void withHeadDim(int32_t headDim, bool alibi, const Run& run) {
  static_assert(kMostHeadDim == 128, "the largest tile");
  // In two sizes alone, for less to compile.
  if (alibi && headDim <= 64)
    run(Tile<A, 64, true>{});
  else if (alibi)
    run(Tile<A, 128, true>{});
  else if (headDim <= 32)
    run(Tile<A, 32, false>{});
  else if (headDim <= 64)
    run(Tile<A, 64, false>{});
  else if (headDim <= 80)
    run(Tile<A, 80, false>{});
  else
    run(Tile<A, 128, false>{});
}
template <typename T, typename Run>
void withTile(const AttentionShape<T>& s, const Run& run) {
  const bool alibi = s.slopes != nullptr;
  if constexpr (std::is_same_v<T, bf16>)
    withHeadDim<Arithmetic::bf16>(s.headDim, alibi, run);
  else if (context().precision == Precision::tf32)
    withHeadDim<Arithmetic::tf32>(s.headDim, alibi, run);
  else
    withHeadDim<Arithmetic::f32>(s.headDim, alibi, run);
}

inline unsigned tilesOf(int32_t tokens, int32_t size) { return static_cast<unsigned>((tokens + size - 1) / size); }

}  // namespace data2vec::cuda::attend

#endif
