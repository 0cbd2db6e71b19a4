// Tensor-core products, matrix loads and asynchronous copies: PTX on a GPU, and what PTX says of them under emulation.
//
// Fragments (PTX ISA, "Matrix fragments for mma"), with group = lane / 4 and member = lane % 4:
//   m16n8k16 bf16: a[0] = A[group][2 member ..], a[1] = A[group + 8][2 member ..], a[2], a[3] = the same at column + 8;
//                  b[0] = B[2 member ..][group], b[1] = the same at row + 8; pairs lie in one register, the lower index below.
//   m16n8k8 tf32:  a[0] = A[group][member], a[1] = A[group + 8][member], a[2], a[3] = the same at column + 4; b[0] = B[member][group],
//                  b[1] = B[member + 4][group].
//   both:          c[0], c[1] = C[group][2 member], C[group][2 member + 1]; c[2], c[3] = the same at row + 8.
#ifndef DATA2VEC_CUDA_MMA_H
#define DATA2VEC_CUDA_MMA_H

#include "cuda/bf16.h"

namespace data2vec::cuda {

// A 32-bit float with 10 bits of mantissa, rounded to nearest, ties away from zero.
__device__ __forceinline__ uint32_t toTf32(float value) {
#if defined(__CUDACC__)
  uint32_t result;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(value));
  return result;
#else
  const uint32_t bits = __float_as_uint(value);
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & ~0x1fffu;
#endif
}

#if defined(__CUDACC__)

// c += a · b for a tile of 16 x 8 with 16 products each.
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// c += a · b for a tile of 16 x 8 with 8 products each.
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ uint32_t sharedAddress(const void* pointer) { return static_cast<uint32_t>(__cvta_generic_to_shared(pointer)); }

// Four matrices of 8 x 8 values of 16 bits: lane l gives the address of row l % 8 of matrix l / 8, 16 bytes; every lane gets, of each matrix,
// the two values 2 member .. of row `group` (with _trans: of column `group`).
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(sharedAddress(row)) : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(sharedAddress(row)) : "memory");
}

// Starts a copy of Bytes (4, 8 or 16, to which both addresses are aligned) to shared memory; beyond the first `copied` come zeros.
template <int Bytes>
__device__ __forceinline__ void cp_async(void* to, const void* from, int copied = Bytes) {
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(copied) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(copied), "n"(Bytes) : "memory");
  }
}
// Closes the group of the copies that this thread has started.
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits for all but the last Groups groups of this thread; others see what it copied after a barrier.
template <int Groups>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory");
}

#else

void mma_m16n8k16_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void mma_m16n8k8_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void ldmatrix_x4(uint32_t (&r)[4], const void* row);
void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row);
template <int Bytes>
void cp_async(void* to, const void* from, int copied = Bytes) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  emulation::copyAsync(to, from, Bytes, copied);
}
inline void cp_async_commit() { emulation::commitCopies(); }
template <int Groups>
void cp_async_wait() {
  emulation::waitForCopies(Groups);
}

#endif

}  // namespace data2vec::cuda

#endif
