// The Node-API addon: what JavaScript sees of the native side.
#include <napi.h>

#include "cpu/open.h"
#include "cuda/device/devices.h"
#if defined(DATA2VEC_WITH_CUDA)
#include "cuda/open.h"
#endif

namespace {

// cudaDevices(): { compiled, driverVersion, runtimeVersion, reason, devices: [{ name, computeCapability, multiprocessors, memoryBytes }] }
Napi::Value cudaDevices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const data2vec::CudaReport report = data2vec::cudaReport();

  auto devices = Napi::Array::New(env, report.devices.size());
  for (uint32_t i = 0; i < report.devices.size(); ++i) {
    const data2vec::CudaDevice& device = report.devices[i];
    auto entry = Napi::Object::New(env);
    entry["name"] = device.name;
    entry["computeCapability"] = std::to_string(device.major) + "." + std::to_string(device.minor);
    entry["multiprocessors"] = device.multiprocessors;
    entry["memoryBytes"] = static_cast<double>(device.memoryBytes);
    devices[i] = entry;
  }
  auto result = Napi::Object::New(env);
  result["compiled"] = report.compiled;
  result["driverVersion"] = report.driverVersion;
  result["runtimeVersion"] = report.runtimeVersion;
  result["reason"] = report.reason;
  result["devices"] = devices;
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["cudaDevices"] = Napi::Function::New<cudaDevices>(env, "cudaDevices");
  exports["kernelsHash"] = DATA2VEC_KERNELS_HASH;
  exports["cpuInstructionSets"] = Napi::Function::New<data2vec::cpuInstructionSets>(env, "cpuInstructionSets");
  exports["openCpu"] = Napi::Function::New<data2vec::openCpu>(env, "openCpu");
#if defined(DATA2VEC_WITH_CUDA)
  exports["openCuda"] = Napi::Function::New<data2vec::openCuda>(env, "openCuda");
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(data2vec, init)
