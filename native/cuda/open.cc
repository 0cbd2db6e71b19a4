#include "cuda/open.h"

#include <cstring>
#include <string>

#include "cuda/engine.h"
#include "cuda/kernel-table.h"
#include "heap-range.h"

namespace data2vec {

namespace {

// What the functions of one open engine share; `engine` is empty after close().
struct OpenCudaEngine {
  std::shared_ptr<CudaEngine> engine;
  Napi::FunctionReference growWorkspace;
};

using Shared = std::shared_ptr<OpenCudaEngine>;

char* rangeAt(Napi::Env env, const char* function, const OpenCudaEngine& open, const Napi::Value& address, double bytes) {
  return rangeOf(env, function, open.engine == nullptr ? nullptr : &open.engine->heap(), address, bytes);
}

void* grow(OpenCudaEngine& open, size_t bytes) {
  const Napi::Env env = open.growWorkspace.Env();
  const Napi::Value address = open.growWorkspace.Call({Napi::Number::New(env, static_cast<double>(bytes))});
  return env.IsExceptionPending() ? nullptr : rangeAt(env, "workspace", open, address, static_cast<double>(bytes));
}

// Waits for a landing on a thread of the pool and settles a promise with its bytes, so that the event loop never waits for the device.
class Download : public Napi::AsyncWorker {
 public:
  Download(Napi::Env env, std::shared_ptr<CudaEngine> engine, const Landing& landing, Napi::ArrayBuffer copy)
      : AsyncWorker(env, "data2vec download"),
        deferred_(Napi::Promise::Deferred::New(env)),
        engine_(std::move(engine)),
        landing_(landing),
        copy_(Napi::Persistent(copy)),
        bytes_(copy.Data()),
        size_(copy.ByteLength()) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    code_ = engine_->await(landing_);
    if (code_ == cudaSuccess && size_ > 0) std::memcpy(bytes_, landing_.bytes, size_);
  }
  void OnOK() override {
    engine_->giveBack(landing_);
    if (code_ == cudaSuccess) deferred_.Resolve(copy_.Value());
    else deferred_.Reject(Napi::Error::New(Env(), "download: " + engine_->failure(code_)).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<CudaEngine> engine_;
  Landing landing_;
  Napi::Reference<Napi::ArrayBuffer> copy_;
  void* bytes_;
  size_t size_;
  cudaError_t code_ = cudaSuccess;
};

Napi::Value land(Napi::Env env, const OpenCudaEngine& open, const char* from, size_t bytes) {
  auto copy = Napi::ArrayBuffer::New(env, bytes);
  if (env.IsExceptionPending()) return env.Undefined();
  auto* worker = new Download(env, open.engine, open.engine->land(from, bytes), copy);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Value download(const Napi::CallbackInfo& info, OpenCudaEngine& open) {
  const double bytes = info[1].As<Napi::Number>().DoubleValue();
  const char* from = rangeAt(info.Env(), "download", open, info[0], bytes);
  return from == nullptr ? info.Env().Undefined() : land(info.Env(), open, from, static_cast<size_t>(bytes));
}

Napi::Value upload(const Napi::CallbackInfo& info, OpenCudaEngine& open) {
  const auto bytes = info[1].As<Napi::Uint8Array>();
  char* to = rangeAt(info.Env(), "upload", open, info[0], static_cast<double>(bytes.ByteLength()));
  if (to != nullptr) open.engine->upload(to, reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
  return info.Env().Undefined();
}

Napi::Value beginMirror(const Napi::CallbackInfo& info, OpenCudaEngine& open) {
  const double bytes = info[1].As<Napi::Number>().DoubleValue();
  const char* parameters = rangeAt(info.Env(), "beginMirror", open, info[0], bytes);
  char* mirror = parameters == nullptr ? nullptr : rangeAt(info.Env(), "beginMirror", open, info[2], bytes / 2);
  if (mirror != nullptr) open.engine->beginMirror(parameters, static_cast<size_t>(bytes), mirror);
  return info.Env().Undefined();
}

Napi::Value endMirror(const Napi::CallbackInfo& info, OpenCudaEngine& open) {
  const char* parameters = rangeAt(info.Env(), "endMirror", open, info[0], 0);
  if (parameters != nullptr) open.engine->endMirror(parameters);
  return info.Env().Undefined();
}

using Method = Napi::Value (*)(const Napi::CallbackInfo& info, OpenCudaEngine& open);

// Adds a function that needs the engine open, and whose exceptions become errors that begin with its name.
void addMethod(Napi::Object object, const char* name, const Shared& open, Method method) {
  object[name] = Napi::Function::New(object.Env(), [open, name, method](const Napi::CallbackInfo& info) -> Napi::Value {
    const Napi::Env env = info.Env();
    if (open->engine == nullptr) {
      fail(env, std::string(name) + ": the engine is closed");
      return env.Undefined();
    }
    try {
      return method(info, *open);
    } catch (const std::exception& error) {
      if (!env.IsExceptionPending()) fail(env, std::string(name) + ": " + error.what());
      return env.Undefined();
    }
  });
}

bool bindKernels(Napi::Env env, Napi::Object table, const std::shared_ptr<CudaEngine>& engine, const CudaKernels& kernels) {
#define DATA2VEC_BIND(name) &&bindKernel(env, table, #name, engine, kernels.name)
  return true DATA2VEC_KERNELS(DATA2VEC_BIND);
#undef DATA2VEC_BIND
}

uint32_t numberOf(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

void addMethods(Napi::Object result, const Shared& open) {
  addMethod(result, "commit", open, [](const Napi::CallbackInfo& info, OpenCudaEngine& on) -> Napi::Value {
    return Napi::Boolean::New(info.Env(), on.engine->commit(static_cast<size_t>(info[0].As<Napi::Number>().DoubleValue())));
  });
  addMethod(result, "unused", open, [](const Napi::CallbackInfo& info, OpenCudaEngine& on) -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(on.engine->unused()));
  });
  addMethod(result, "beginMirror", open, beginMirror);
  addMethod(result, "endMirror", open, endMirror);
  addMethod(result, "upload", open, upload);
  addMethod(result, "download", open, download);
  addMethod(result, "synchronize", open, [](const Napi::CallbackInfo& info, OpenCudaEngine& on) { return land(info.Env(), on, nullptr, 0); });
  addMethod(result, "beginCapture", open, [](const Napi::CallbackInfo& info, OpenCudaEngine& on) {
    on.engine->beginCapture();
    return info.Env().Undefined();
  });
  addMethod(result, "endCapture", open, [](const Napi::CallbackInfo& info, OpenCudaEngine& on) -> Napi::Value {
    return Napi::Number::New(info.Env(), on.engine->endCapture(info[0].As<Napi::Boolean>().Value()));
  });
  addMethod(result, "replay", open, [](const Napi::CallbackInfo& info, OpenCudaEngine& on) {
    on.engine->replay(numberOf(info[0]));
    return info.Env().Undefined();
  });
  addMethod(result, "drop", open, [](const Napi::CallbackInfo& info, OpenCudaEngine& on) {
    on.engine->dropGraph(numberOf(info[0]));
    return info.Env().Undefined();
  });
}

}  // namespace

Napi::Value openCuda(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 5 || !info[0].IsNumber() || !info[1].IsString() || !info[2].IsBoolean() || !info[3].IsNumber() || !info[4].IsFunction()) {
    Napi::TypeError::New(env, "openCuda: expected a device, a precision, whether simple, bytes to reserve and a function")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto device = info[0].As<Napi::Number>().Int32Value();
  const std::string precision = info[1].As<Napi::String>();
  const bool halves = precision == "bf16";
  if (precision != "f32" && precision != "tf32" && !halves) {
    fail(env, "cuda: precision: expected f32, tf32 or bf16, got " + precision);
    return env.Undefined();
  }
  CudaEngine::Options options;
  options.precision = precision == "tf32" ? cuda::Precision::tf32 : cuda::Precision::f32;
  options.simple = info[2].As<Napi::Boolean>().Value();
  const auto reserve = info[3].As<Napi::Number>().DoubleValue();
  const auto open = std::make_shared<OpenCudaEngine>();
  open->growWorkspace = Napi::Persistent(info[4].As<Napi::Function>());
  try {
    // The engine holds no share of `open`, which holds it.
    open->engine = std::make_shared<CudaEngine>(device, static_cast<size_t>(reserve), options,
                                                [shared = open.get()](size_t bytes) { return grow(*shared, bytes); });
  } catch (const std::exception& error) {
    fail(env, "cuda:" + std::to_string(device) + ": " + error.what());
    return env.Undefined();
  }
  auto kernels = Napi::Object::New(env), halfKernels = Napi::Object::New(env);
  auto result = Napi::Object::New(env);
  if (!bindKernels(env, kernels, open->engine, cudaKernelsF32) || (halves && !bindKernels(env, halfKernels, open->engine, cudaKernelsBf16))) {
    fail(env, "openCuda: the kernels could not be bound");
    return env.Undefined();
  }
  result["kernels"] = kernels;
  if (halves) result["bf16Kernels"] = halfKernels;
  addMethods(result, open);
  result["close"] = Napi::Function::New(env, [open](const Napi::CallbackInfo&) {
    open->engine.reset();
    open->growWorkspace.Reset();
  });
  return result;
}

}  // namespace data2vec
