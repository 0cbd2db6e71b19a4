// The memory of an emulated device: a range of the host's addresses.
#ifndef DATA2VEC_CUDA_EMULATION_MEMORY_H
#define DATA2VEC_CUDA_EMULATION_MEMORY_H

#include "cpu/memory.h"

namespace data2vec {

class DeviceMemory : public ReservedMemory {
 public:
  DeviceMemory(int, size_t bytes) : ReservedMemory(bytes) {}
};

}  // namespace data2vec

#endif
