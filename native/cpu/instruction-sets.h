// The instruction sets that the kernels were compiled for.
#ifndef DATA2VEC_NATIVE_CPU_INSTRUCTION_SETS_H
#define DATA2VEC_NATIVE_CPU_INSTRUCTION_SETS_H

#include <string>
#include <vector>

#include "cpu/kernel-table.h"

namespace data2vec {

struct InstructionSet {
  const char* name;
  const data2vec_kernel_table* kernels;
};

// Those that processor and operating system support, best first; empty on an x86-64 processor without SSE4.2.
const std::vector<InstructionSet>& instructionSets();

}  // namespace data2vec

#endif
