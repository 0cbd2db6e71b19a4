#include "cpu/instruction-sets.h"

extern "C" {
#if defined(__x86_64__)
extern const data2vec_kernel_table data2vec_kernels_avx512, data2vec_kernels_avx2, data2vec_kernels_sse42;
#elif defined(__aarch64__)
extern const data2vec_kernel_table data2vec_kernels_neon;
#else
extern const data2vec_kernel_table data2vec_kernels_generic;
#endif
}

namespace data2vec {

const std::vector<InstructionSet>& instructionSets() {
  static const std::vector<InstructionSet> sets = [] {
    std::vector<InstructionSet> found;
#if defined(__x86_64__)
    // These ask the operating system too, which must save the wider registers.
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      found.push_back({"AVX-512", &data2vec_kernels_avx512});
    }
    if (avx2) found.push_back({"AVX2", &data2vec_kernels_avx2});
    if (__builtin_cpu_supports("sse4.2")) found.push_back({"SSE4.2", &data2vec_kernels_sse42});
#elif defined(__aarch64__)
    found.push_back({"NEON", &data2vec_kernels_neon});
#else
    found.push_back({"plain C", &data2vec_kernels_generic});
#endif
    return found;
  }();
  return sets;
}

}  // namespace data2vec
