// The device query. The CUDA runtime is linked statically, so the addon loads where there is no driver.
#include "devices.h"

#include <cuda_runtime_api.h>

namespace data2vec {

static std::string describe(const char* call, cudaError_t error) {
  return std::string(call) + ": " + cudaGetErrorString(error) + " (" + std::to_string(error) + ")";
}

CudaReport cudaReport() {
  CudaReport report;
  report.compiled = true;
  cudaRuntimeGetVersion(&report.runtimeVersion);
  cudaDriverGetVersion(&report.driverVersion);

  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    report.reason = (report.driverVersion == 0 ? "no NVIDIA driver was found; " : "") + describe("cudaGetDeviceCount", status);
    return report;
  }
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties;
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess) {
      report.reason = describe("cudaGetDeviceProperties", error);
      continue;
    }
    report.devices.push_back({properties.name, properties.major, properties.minor, properties.multiProcessorCount,
                              static_cast<uint64_t>(properties.totalGlobalMem)});
  }
  return report;
}

}  // namespace data2vec
