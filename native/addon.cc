// The Node-API addon: what JavaScript sees of the native side.
#include <napi.h>

#include "cpu/scalar.h"
#include "cuda/device/devices.h"

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

// scalarKernels(heap: ArrayBuffer): every kernel, on that memory; not an engine, but what the tests hold the binder and the C sources with.
Napi::Value scalarKernels(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsArrayBuffer()) {
    Napi::TypeError::New(env, "scalarKernels: expected an ArrayBuffer").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  auto held = std::make_shared<Napi::Reference<Napi::ArrayBuffer>>(Napi::Persistent(buffer));
  const std::shared_ptr<data2vec::Heap> heap(new data2vec::Heap{static_cast<char*>(buffer.Data()), buffer.ByteLength()},
                                             [held](data2vec::Heap* done) { delete done; });
  auto kernels = Napi::Object::New(env);
  if (!data2vec::bindScalarKernels(env, kernels, heap)) {
    Napi::Error::New(env, "scalarKernels: the kernels could not be bound").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return kernels;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["cudaDevices"] = Napi::Function::New<cudaDevices>(env, "cudaDevices");
  exports["scalarKernels"] = Napi::Function::New<scalarKernels>(env, "scalarKernels");
  return exports;
}

}  // namespace

NODE_API_MODULE(data2vec, init)
