// mma.h as PTX defines it: the last lane of the warp puts the matrices together from all lanes' registers, and takes the result apart.
#include "cuda/mma.h"

namespace data2vec::cuda {

namespace {

struct Operands {
  float* c;
  const uint32_t *a, *b;
};

float lowBf16(uint32_t pair) { return __uint_as_float(pair << 16); }
float highBf16(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }
// The hardware reads no more than 10 bits of mantissa.
float asTf32(uint32_t bits) { return __uint_as_float(bits & ~0x1fffu); }

// Bf16: 16 products to an element, two values to a register; otherwise tf32: 8 and one.
template <bool Bf16>
void product(void* const* lanes) {
  constexpr int depth = Bf16 ? 16 : 8;
  float a[16][depth], bt[depth][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& own = *static_cast<const Operands*>(lanes[lane]);
    const int group = lane / 4, member = lane % 4;
    for (int i = 0; i < 4; ++i) {
      const int row = group + i % 2 * 8, column = Bf16 ? 2 * member + i / 2 * 8 : member + i / 2 * 4;
      a[row][column] = Bf16 ? lowBf16(own.a[i]) : asTf32(own.a[i]);
      if constexpr (Bf16) a[row][column + 1] = highBf16(own.a[i]);
    }
    for (int i = 0; i < 2; ++i) {
      const int row = Bf16 ? 2 * member + i * 8 : member + i * 4;
      bt[row][group] = Bf16 ? lowBf16(own.b[i]) : asTf32(own.b[i]);
      if constexpr (Bf16) bt[row + 1][group] = highBf16(own.b[i]);
    }
  }
  float c[16][8] = {};
  for (int i = 0; i < 16; ++i)
    for (int k = 0; k < depth; ++k)
      for (int j = 0; j < 8; ++j) c[i][j] += a[i][k] * bt[k][j];
  for (int lane = 0; lane < 32; ++lane) {
    float* own = static_cast<const Operands*>(lanes[lane])->c;
    for (int i = 0; i < 4; ++i) own[i] += c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

struct Load {
  const uint16_t* row;
  uint32_t* result;
};

template <bool Transposed>
void load(void* const* lanes) {
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, member = lane % 4;
    for (int matrix = 0; matrix < 4; ++matrix) {
      const auto at = [&](int row, int column) { return uint32_t{static_cast<const Load*>(lanes[matrix * 8 + row])->row[column]}; };
      static_cast<const Load*>(lanes[lane])->result[matrix] = Transposed ? at(2 * member, group) | at(2 * member + 1, group) << 16
                                                                         : at(group, 2 * member) | at(group, 2 * member + 1) << 16;
    }
  }
}

constexpr uint32_t kAll = 0xffffffffu;

void loadMatrices(uint32_t (&r)[4], const void* row, void (*operation)(void* const*), int line) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) emulation::fail("ldmatrix: a row is not aligned to 16 bytes");
  Load own{static_cast<const uint16_t*>(row), r};
  emulation::warpCollective(kAll, &own, operation, {__FILE__, line, "ldmatrix"});
}

}  // namespace

void mma_m16n8k16_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Operands own{c, a, b};
  emulation::warpCollective(kAll, &own, product<true>, {__FILE__, __LINE__, "mma_m16n8k16_bf16"});
}
void mma_m16n8k8_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Operands own{c, a, b};
  emulation::warpCollective(kAll, &own, product<false>, {__FILE__, __LINE__, "mma_m16n8k8_tf32"});
}
void ldmatrix_x4(uint32_t (&r)[4], const void* row) { loadMatrices(r, row, load<false>, __LINE__); }
void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) { loadMatrices(r, row, load<true>, __LINE__); }

}  // namespace data2vec::cuda
