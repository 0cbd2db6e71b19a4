// Matrix products, of plain matrices and of the windows of convolutions, on tensor cores.
#ifndef DATA2VEC_CUDA_GEMM_GEMM_H
#define DATA2VEC_CUDA_GEMM_GEMM_H

#include <string>

#include "cuda/gemm/view.h"

namespace data2vec::cuda {

enum class Element { f32, bf16 };

// c[m][n] = (accumulate ? c : 0) + sum over k of a[m][k] b[k][n] + bias[n], `batch` times.
struct Product {
  const char* op;  // for messages
  int32_t m, n, k;
  // Stored as [m][k], or as [k][m] with aTransposed; b as [n][k], or as [k][n] with bTransposed: depth lies side by side unless transposed.
  View a, b, c;
  bool aTransposed = false, bTransposed = false;
  Element in = Element::f32, out = Element::f32;
  const float* bias = nullptr;         // [batch][n], optional
  const void* biasMirror = nullptr;    // the same in bf16, where it is at hand: the library takes it alone for bf16 results
  bool accumulate = false;
  int32_t batch = 1;
};

/*
 * Computes a product in the current context: with f32 elements in full precision or, where the context says so, from operands of 10 bits of
 * mantissa; sums are f32. Which kernel runs and in which order it sums follow from the sizes and alignments alone.
 */
void gemm(const Product& product);

// The ways that gemm chooses from; for tests and measurements. Each throws CudaError when it can't be launched.
void gemmSimple(const Product& product);
void gemmTensorCores(const Product& product);
// By cuBLASLt; false when it isn't there, or can't do it.
bool gemmLibrary(const Product& product);

// The library with its version and where it was found; empty when there is none.
std::string gemmLibraryName();

// sums[column] += sum over rows of x[row][column], in an order that follows from the sizes; x of `rows` rows side by side.
void addColumnSums(const char* op, float* sums, const void* x, Element element, int32_t rows, int32_t columns);

}  // namespace data2vec::cuda

#endif
