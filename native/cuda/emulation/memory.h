// The memory of an emulated device: a range of the host's addresses.
#ifndef DATA2VEC_CUDA_EMULATION_MEMORY_H
#define DATA2VEC_CUDA_EMULATION_MEMORY_H

#include "cpu/memory.h"
#include "cuda/emulation/runtime.h"

namespace data2vec {

class DeviceMemory : public ReservedMemory {
 public:
  DeviceMemory(int, size_t bytes) : ReservedMemory(bytes) {}

  bool commit(size_t bytes) {
    const bool refused = emulation::takeRefusal();
    return !refused && ReservedMemory::commit(bytes);
  }
};

}  // namespace data2vec

#endif
