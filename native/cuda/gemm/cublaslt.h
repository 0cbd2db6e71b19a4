// The part of cuBLASLt that is used, opened when it is first needed: the addon neither links it nor needs its headers.
//
// Values and prototypes are those of cublasLt.h, the same in versions 11 to 13.
#ifndef DATA2VEC_CUDA_GEMM_CUBLASLT_H
#define DATA2VEC_CUDA_GEMM_CUBLASLT_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "cuda/context.h"

namespace data2vec::cuda::cublaslt {

using Status = int;  // 0: success
constexpr Status kNotSupported = 15;

using Handle = void*;
using MatmulDesc = void*;
using MatrixLayout = void*;
using Preference = void*;

struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspaceSize;
  Status state;
  float wavesCount;
  int reserved[4];
};

enum DataType : int { kF32 = 0, kBf16 = 14 };
enum ComputeType : int { kComputeF32 = 68, kComputeTf32 = 77 };
enum Operation : int32_t { kNone = 0, kTransposed = 1 };
enum DescAttribute : int { kTransA = 3, kTransB = 4, kEpilogue = 7, kBiasPointer = 8, kBiasDataType = 26 };
enum Epilogue : uint32_t { kDefault = 1, kBias = 4 };
enum PreferenceAttribute : int {
  kMaxWorkspace = 1,
  kReductionSchemes = 3,
  kMinAlignmentA = 5,
  kMinAlignmentB = 6,
  kMinAlignmentC = 7,
  kMinAlignmentD = 8
};
// Partial sums of a product that is cut over its depth are added in the type of the sum, in order. Others may be added as they come.
constexpr uint32_t kReduceInComputeType = 2;

struct Library {
  std::string path;  // empty when no library was found
  Status (*create)(Handle*);
  size_t (*getVersion)();
  Status (*matmulDescCreate)(MatmulDesc*, int compute, int scaleType);
  Status (*matmulDescSetAttribute)(MatmulDesc, int attribute, const void* value, size_t bytes);
  Status (*matrixLayoutCreate)(MatrixLayout*, int type, uint64_t rows, uint64_t columns, int64_t leading);
  Status (*matmulPreferenceCreate)(Preference*);
  Status (*matmulPreferenceDestroy)(Preference);
  Status (*matmulPreferenceSetAttribute)(Preference, int attribute, const void* value, size_t bytes);
  Status (*matmulAlgoGetHeuristic)(Handle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d, Preference, int wanted,
                                   Heuristic*, int* found);
  Status (*matmul)(Handle, MatmulDesc, const void* alpha, const void* a, MatrixLayout, const void* b, MatrixLayout, const void* beta,
                   const void* c, MatrixLayout, void* d, MatrixLayout, const Algorithm*, void* workspace, size_t workspaceSize, cudaStream_t);
};

/*
 * The library of this process: the first of libcublasLt.so.13, .12 and .11 in the folders that DATA2VEC_CUDA_LIBS names, separated by colons,
 * then where the system looks, then in those of CUDA and of Python's packages. DATA2VEC_CUDA_LIBS set to nothing: none is used.
 */
const Library& library();

}  // namespace data2vec::cuda::cublaslt

#endif
