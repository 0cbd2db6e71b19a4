// The addon cuda-emulated.node, for tests alone: the CUDA kernels over memory of the host, opened as native/cpu/open.cc opens an engine.
#include <napi.h>

#include <cstring>

#include "binder.h"
#include "cpu/memory.h"
#include "cuda/context.h"
#include "cuda/launch.h"
#include "kernels.h"

// The kernels that have a CUDA source so far.
#define DATA2VEC_EMULATED(X) X(fill) X(copy) X(linear) X(linear_grad_input) X(linear_grad_weight) X(conv1d) X(conv1d_grad_input) X(conv1d_grad_weight) X(attention) X(attention_grad)

namespace {

using namespace data2vec;

class EmulatedEngine : public KernelHost, public cuda::Context {
 public:
  EmulatedEngine(size_t reserve, Napi::Function grow) : memory_(reserve), grow_(Napi::Persistent(grow)) {}

  const Heap& heap() const override { return memory_.heap(); }
  bool commit(size_t bytes) { return memory_.commit(bytes); }

  void invoke(void (*call)(void*), void* arguments) override {
    cuda::currentContext = this;
    try {
      call(arguments);
    } catch (const std::exception& error) {
      if (!grow_.Env().IsExceptionPending()) Napi::Error::New(grow_.Env(), error.what()).ThrowAsJavaScriptException();
    }
    cuda::currentContext = nullptr;
  }

  void* workspace(size_t bytes) override {
    const Napi::Env env = grow_.Env();
    const Napi::Value address = grow_.Call({Napi::Number::New(env, static_cast<double>(bytes))});
    if (env.IsExceptionPending()) throw cuda::CudaError("no workspace");
    return heap().base + static_cast<size_t>(address.As<Napi::Number>().DoubleValue());
  }

 private:
  ReservedMemory memory_;
  Napi::FunctionReference grow_;
};

Napi::Value openCpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string variant = info[0].As<Napi::String>();
  const auto reserve = static_cast<size_t>(info[2].As<Napi::Number>().DoubleValue());
  const auto engine = std::make_shared<EmulatedEngine>(reserve, info[3].As<Napi::Function>());
  engine->simple = variant == "simple";
  engine->precision = variant == "tf32" ? cuda::Precision::tf32 : cuda::Precision::f32;
  auto kernels = Napi::Object::New(env);
#define DATA2VEC_BIND(name) bindKernel(env, kernels, #name, std::static_pointer_cast<KernelHost>(engine), name);
  DATA2VEC_EMULATED(DATA2VEC_BIND)
#undef DATA2VEC_BIND
  auto result = Napi::Object::New(env);
  result["kernels"] = kernels;
  const auto open = std::make_shared<std::shared_ptr<EmulatedEngine>>(engine);
  result["commit"] = Napi::Function::New(env, [open](const Napi::CallbackInfo& call) {
    return Napi::Boolean::New(call.Env(), (*open)->commit(static_cast<size_t>(call[0].As<Napi::Number>().DoubleValue())));
  });
  result["upload"] = Napi::Function::New(env, [open](const Napi::CallbackInfo& call) {
    const auto bytes = call[1].As<Napi::Uint8Array>();
    std::memcpy((*open)->heap().base + static_cast<size_t>(call[0].As<Napi::Number>().DoubleValue()), bytes.Data(), bytes.ByteLength());
  });
  result["download"] = Napi::Function::New(env, [open](const Napi::CallbackInfo& call) {
    const auto size = static_cast<size_t>(call[1].As<Napi::Number>().DoubleValue());
    auto copy = Napi::ArrayBuffer::New(call.Env(), size);
    std::memcpy(copy.Data(), (*open)->heap().base + static_cast<size_t>(call[0].As<Napi::Number>().DoubleValue()), size);
    return copy;
  });
  result["multiplyAdds"] = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  result["close"] = Napi::Function::New(env, [open](const Napi::CallbackInfo&) { open->reset(); });
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["kernelsHash"] = DATA2VEC_KERNELS_HASH;
  exports["openCpu"] = Napi::Function::New<openCpu>(env, "openCpu");
  return exports;
}

}  // namespace

NODE_API_MODULE(cuda_emulated, init)
