// Products of plain matrices by cuBLASLt. Its matrices lie by columns: to it c is [n][m], the product of b and a.
#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "cuda/bf16.h"
#include "cuda/gemm/cublaslt.h"
#include "cuda/gemm/gemm.h"

namespace data2vec::cuda {

namespace {

using namespace cublaslt;

// What the library advises for Hopper.
constexpr uint64_t kMostWorkspace = 32 << 20;

// All that the choice of an algorithm depends on.
struct Key {
  int device;
  int32_t m, n, k;
  int64_t aStep, bStep, cStep;
  bool aTransposed, bTransposed, bias, tf32;
  Element in, out;
  uint32_t aAlignment, bAlignment, cAlignment, biasAlignment;

  auto members() const {
    return std::tie(device, m, n, k, aStep, bStep, cStep, aTransposed, bTransposed, bias, tf32, in, out, aAlignment, bAlignment, cAlignment,
                    biasAlignment);
  }
  bool operator<(const Key& other) const { return members() < other.members(); }
};

// How a product is computed; plans live as long as the process.
struct Plan {
  bool supported = false;
  MatmulDesc desc = nullptr;
  MatrixLayout a = nullptr, b = nullptr, c = nullptr;
  Algorithm algorithm{};
  size_t workspace = 0;
};

uint32_t alignmentOf(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  return static_cast<uint32_t>(std::min<uintptr_t>(address & (~address + 1), 256));
}

// The bias in the type of the result.
const void* biasOf(const Product& p) { return p.out == Element::bf16 ? p.biasMirror : p.bias; }

DataType typeOf(Element element) { return element == Element::bf16 ? kBf16 : kF32; }

void expect(Status status, const char* op, const char* call) {
  if (status != 0) throw CudaError(std::string(op) + ": " + call + " of " + library().path + " failed with status " + std::to_string(status));
}

template <typename T>
void set(MatmulDesc desc, const char* op, DescAttribute attribute, T value) {
  expect(library().matmulDescSetAttribute(desc, attribute, &value, sizeof value), op, "cublasLtMatmulDescSetAttribute");
}
template <typename T>
void prefer(Preference preference, const char* op, PreferenceAttribute attribute, T value) {
  expect(library().matmulPreferenceSetAttribute(preference, attribute, &value, sizeof value), op, "cublasLtMatmulPreferenceSetAttribute");
}

MatrixLayout layoutOf(const char* op, Element element, int32_t rows, int32_t columns, int64_t step) {
  MatrixLayout layout = nullptr;
  expect(library().matrixLayoutCreate(&layout, typeOf(element), static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), step), op,
         "cublasLtMatrixLayoutCreate");
  return layout;
}

Plan planFor(Handle handle, const Product& p, const Key& key) {
  const Library& l = library();
  Plan plan;
  expect(l.matmulDescCreate(&plan.desc, key.tf32 ? kComputeTf32 : kComputeF32, kF32), p.op, "cublasLtMatmulDescCreate");
  set(plan.desc, p.op, kTransA, p.bTransposed ? kNone : kTransposed);
  set(plan.desc, p.op, kTransB, p.aTransposed ? kTransposed : kNone);
  if (key.bias) {
    set(plan.desc, p.op, kEpilogue, kBias);
    set(plan.desc, p.op, kBiasDataType, static_cast<int32_t>(typeOf(p.out)));
    set(plan.desc, p.op, kBiasPointer, biasOf(p));
  }
  plan.a = layoutOf(p.op, p.in, p.bTransposed ? p.n : p.k, p.bTransposed ? p.k : p.n, p.b.rowStep);
  plan.b = layoutOf(p.op, p.in, p.aTransposed ? p.m : p.k, p.aTransposed ? p.k : p.m, p.a.rowStep);
  plan.c = layoutOf(p.op, p.out, p.n, p.m, p.c.rowStep);

  Preference preference = nullptr;
  expect(l.matmulPreferenceCreate(&preference), p.op, "cublasLtMatmulPreferenceCreate");
  prefer(preference, p.op, kMaxWorkspace, kMostWorkspace);
  prefer(preference, p.op, kReductionSchemes, kReduceInComputeType);
  prefer(preference, p.op, kMinAlignmentA, key.bAlignment);
  prefer(preference, p.op, kMinAlignmentB, key.aAlignment);
  prefer(preference, p.op, kMinAlignmentC, key.cAlignment);
  prefer(preference, p.op, kMinAlignmentD, key.cAlignment);
  Heuristic best{};
  int found = 0;
  const Status status = l.matmulAlgoGetHeuristic(handle, plan.desc, plan.a, plan.b, plan.c, plan.c, preference, 1, &best, &found);
  l.matmulPreferenceDestroy(preference);
  if (status != kNotSupported) expect(status, p.op, "cublasLtMatmulAlgoGetHeuristic");
  plan.supported = status == 0 && found > 0 && best.state == 0;
  plan.algorithm = best.algorithm;
  plan.workspace = best.workspaceSize;
  return plan;
}

int currentDevice() {
  int device = 0;
#if defined(__CUDACC__)
  check(cudaGetDevice(&device), "cudaGetDevice");
#endif
  return device;
}

}  // namespace

std::string gemmLibraryName() {
  if (library().path.empty()) return "";
  const size_t version = library().getVersion();
  // 11.x counts thousands, 12 and later ten thousands.
  const size_t unit = version >= 100000 ? 10000 : 1000;
  return "cuBLASLt " + std::to_string(version / unit) + "." + std::to_string(version % unit / 100) + " (" + library().path + ")";
}

bool gemmLibrary(const Product& p) {
  const Library& l = library();
  if (l.path.empty() || p.batch != 1 || p.k == 0 || !p.a.isMatrix() || !p.b.isMatrix() || !p.c.isMatrix()) return false;
  if (p.bias != nullptr && biasOf(p) == nullptr) return false;
  const Key key{currentDevice(),
                p.m,
                p.n,
                p.k,
                p.a.rowStep,
                p.b.rowStep,
                p.c.rowStep,
                p.aTransposed,
                p.bTransposed,
                p.bias != nullptr,
                p.in == Element::f32 && context().precision == Precision::tf32,
                p.in,
                p.out,
                alignmentOf(p.a.data),
                alignmentOf(p.b.data),
                alignmentOf(p.c.data),
                p.bias == nullptr ? 0 : alignmentOf(biasOf(p))};
  // The descriptor of a plan takes the address of the bias with each call.
  static std::mutex mutex;
  static std::map<int, Handle> handles;
  static std::map<Key, Plan> plans;
  const std::lock_guard<std::mutex> lock(mutex);
  Handle& handle = handles[key.device];
  if (handle == nullptr) expect(l.create(&handle), p.op, "cublasLtCreate");
  auto plan = plans.find(key);
  if (plan == plans.end()) plan = plans.emplace(key, planFor(handle, p, key)).first;
  if (!plan->second.supported) return false;
  const Plan& own = plan->second;
  if (key.bias) set(own.desc, p.op, kBiasPointer, biasOf(p));
  void* workspace = own.workspace > 0 ? context().workspace(own.workspace) : nullptr;
  const float one = 1.0f, before = p.accumulate ? 1.0f : 0.0f;
  const Status status = l.matmul(handle, own.desc, &one, p.b.data, own.a, p.a.data, own.b, &before, p.c.data, own.c, p.c.data, own.c,
                                 &own.algorithm, workspace, own.workspace, context().stream);
  if (status != 0) {
    throw CudaError(std::string(p.op) + ": cublasLtMatmul of " + l.path + " failed with status " + std::to_string(status) + " (m " +
                    std::to_string(p.m) + ", n " + std::to_string(p.n) + ", k " + std::to_string(p.k) + ")");
  }
  return true;
}

}  // namespace data2vec::cuda
