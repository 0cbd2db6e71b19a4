// A range of device addresses whose first bytes are memory, more of them as a heap grows; they never move.
#ifndef DATA2VEC_NATIVE_CUDA_MEMORY_H
#define DATA2VEC_NATIVE_CUDA_MEMORY_H

#include <cstddef>
#include <vector>

#include "binder.h"

namespace data2vec {

class DeviceMemory {
 public:
  // Reserves `bytes` of addresses on `device`, which is current; no memory yet. Throws CudaError.
  DeviceMemory(int device, size_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  // Makes the first `bytes` usable; false when the device has no memory left. Throws CudaError for anything else.
  bool commit(size_t bytes);
  // What is usable now.
  const Heap& heap() const { return heap_; }

 private:
  struct Block {
    unsigned long long handle;
    size_t offset, size;
  };
  int device_;
  size_t reserved_ = 0, step_ = 0;
  Heap heap_{nullptr, 0};
  std::vector<Block> blocks_;
};

}  // namespace data2vec

#endif
