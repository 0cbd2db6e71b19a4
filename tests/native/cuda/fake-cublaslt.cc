// Stands in for cuBLASLt under emulation: the calls that are used, on memory of the host, as its documentation describes them. Strict: what
// was not set as it must be is an error.
#include <cstdint>
#include <cstring>
#include <map>

#include "cuda/bf16.h"
#include "cuda/gemm/cublaslt.h"

namespace {

using namespace data2vec::cuda;
using namespace data2vec::cuda::cublaslt;

constexpr Status kInvalid = 7;
constexpr size_t kWorkspace = 4096;
constexpr uint64_t kAlgorithm = 0x5ca1ab1e;

struct Desc {
  int compute;
  std::map<int, uint64_t> attributes;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
};
struct Preferences {
  std::map<int, uint64_t> attributes;
};

uint64_t valueOf(const void* value, size_t bytes) {
  uint64_t number = 0;
  std::memcpy(&number, value, bytes);
  return number;
}
uint64_t get(const std::map<int, uint64_t>& attributes, int name, uint64_t otherwise) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? otherwise : found->second;
}

float read(const void* data, int type, size_t i) {
  return type == kBf16 ? toFloat(static_cast<const bf16*>(data)[i]) : static_cast<const float*>(data)[i];
}
void write(void* data, int type, size_t i, float value) {
  if (type == kBf16)
    static_cast<bf16*>(data)[i] = fromFloat<bf16>(value);
  else
    static_cast<float*>(data)[i] = value;
}

// Element (row, column) of a matrix by columns, after its operation.
float element(const void* data, const Layout& layout, bool transposed, uint64_t row, uint64_t column) {
  const uint64_t r = transposed ? column : row, c = transposed ? row : column;
  return read(data, layout.type, r + c * static_cast<uint64_t>(layout.leading));
}

bool fits(const Layout& layout) { return layout.leading >= static_cast<int64_t>(layout.rows); }

}  // namespace

extern "C" {
#define EXPORT __attribute__((visibility("default")))

EXPORT Status cublasLtCreate(Handle* handle) {
  static int device;
  *handle = &device;
  return 0;
}
EXPORT size_t cublasLtGetVersion() { return 130001; }
EXPORT Status cublasLtMatmulDescCreate(MatmulDesc* desc, int compute, int scaleType) {
  *desc = new Desc{compute, {}};
  return scaleType == kF32 ? 0 : kInvalid;
}
EXPORT Status cublasLtMatmulDescSetAttribute(MatmulDesc desc, int attribute, const void* value, size_t bytes) {
  if (bytes != (attribute == kBiasPointer ? 8u : 4u)) return kInvalid;
  static_cast<Desc*>(desc)->attributes[attribute] = valueOf(value, bytes);
  return 0;
}
EXPORT Status cublasLtMatrixLayoutCreate(MatrixLayout* layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  *layout = new Layout{type, rows, columns, leading};
  return 0;
}
EXPORT Status cublasLtMatmulPreferenceCreate(Preference* preference) {
  *preference = new Preferences{};
  return 0;
}
EXPORT Status cublasLtMatmulPreferenceDestroy(Preference preference) {
  delete static_cast<Preferences*>(preference);
  return 0;
}
EXPORT Status cublasLtMatmulPreferenceSetAttribute(Preference preference, int attribute, const void* value, size_t bytes) {
  if (bytes != (attribute == kMaxWorkspace ? 8u : 4u)) return kInvalid;
  static_cast<Preferences*>(preference)->attributes[attribute] = valueOf(value, bytes);
  return 0;
}
EXPORT Status cublasLtMatmulAlgoGetHeuristic(Handle, MatmulDesc desc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d,
                                             Preference preference, int wanted, Heuristic* result, int* found) {
  const auto& attributes = static_cast<Desc*>(desc)->attributes;
  const auto& preferences = static_cast<Preferences*>(preference)->attributes;
  *found = 0;
  for (MatrixLayout layout : {a, b, c, d}) if (!fits(*static_cast<Layout*>(layout))) return kInvalid;
  const bool reducesInOrder = get(preferences, kReductionSchemes, 7) == kReduceInComputeType;
  if (wanted < 1 || get(preferences, kMaxWorkspace, 0) < kWorkspace || !reducesInOrder) return kInvalid;
  // No bias of another type than the result.
  const bool bias = get(attributes, kEpilogue, kDefault) == kBias;
  if (bias && get(attributes, kBiasDataType, ~0ull) != static_cast<uint64_t>(static_cast<Layout*>(d)->type)) return kNotSupported;
  // The stand-in remembers what it was promised, to hold the caller to it.
  result->algorithm.data[0] = kAlgorithm;
  for (int i = 0; i < 4; ++i) result->algorithm.data[1 + i] = get(preferences, kMinAlignmentA + i, 256);
  result->workspaceSize = kWorkspace;
  result->state = 0;
  *found = 1;
  return 0;
}
EXPORT Status cublasLtMatmul(Handle, MatmulDesc desc, const void* alpha, const void* a, MatrixLayout aLayout, const void* b,
                             MatrixLayout bLayout, const void* beta, const void* c, MatrixLayout cLayout, void* d, MatrixLayout dLayout,
                             const Algorithm* algorithm, void* workspace, size_t workspaceSize, cudaStream_t) {
  const auto& own = *static_cast<Desc*>(desc);
  const auto &la = *static_cast<Layout*>(aLayout), &lb = *static_cast<Layout*>(bLayout);
  const auto &lc = *static_cast<Layout*>(cLayout), &ld = *static_cast<Layout*>(dLayout);
  if (algorithm->data[0] != kAlgorithm || workspaceSize < kWorkspace || workspace == nullptr) return kInvalid;
  const void* pointers[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i) if (reinterpret_cast<uintptr_t>(pointers[i]) % algorithm->data[1 + i] != 0) return kInvalid;
  std::memset(workspace, 0xff, kWorkspace);
  const bool aTransposed = get(own.attributes, kTransA, kNone) == kTransposed;
  const bool bTransposed = get(own.attributes, kTransB, kNone) == kTransposed;
  const uint64_t depth = aTransposed ? la.rows : la.columns;
  if (depth != (bTransposed ? lb.columns : lb.rows) || ld.rows != (aTransposed ? la.columns : la.rows)) return kInvalid;
  if (ld.columns != (bTransposed ? lb.rows : lb.columns)) return kInvalid;
  const bool bias = get(own.attributes, kEpilogue, kDefault) == kBias;
  const auto* biases = reinterpret_cast<const void*>(get(own.attributes, kBiasPointer, 0));
  const float scale = *static_cast<const float*>(alpha), before = *static_cast<const float*>(beta);
  for (uint64_t column = 0; column < ld.columns; ++column) {
    for (uint64_t row = 0; row < ld.rows; ++row) {
      float sum = 0;
      for (uint64_t k = 0; k < depth; ++k) sum += element(a, la, aTransposed, row, k) * element(b, lb, bTransposed, k, column);
      sum = scale * sum + (before == 0 ? 0 : before * element(c, lc, false, row, column)) + (bias ? read(biases, ld.type, row) : 0);
      write(d, ld.type, row + column * static_cast<uint64_t>(ld.leading), sum);
    }
  }
  return 0;
}
}
