// The CUDA devices of this machine, as the runtime reports them.
#ifndef DATA2VEC_NATIVE_CUDA_DEVICES_H
#define DATA2VEC_NATIVE_CUDA_DEVICES_H

#include <cstdint>
#include <string>
#include <vector>

namespace data2vec {

struct CudaDevice {
  std::string name;
  int major;
  int minor;
  int multiprocessors;
  uint64_t memoryBytes;
};

// Versions are encoded as 1000 * major + 10 * minor; driverVersion is 0 where no driver is installed.
struct CudaReport {
  bool compiled = false;
  int driverVersion = 0;
  int runtimeVersion = 0;
  std::vector<CudaDevice> devices;
  std::string reason;  // why there are no devices; empty when there are
};

// Asks the runtime; never throws, and works where no driver is installed.
CudaReport cudaReport();

}  // namespace data2vec

#endif
