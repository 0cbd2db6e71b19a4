#include "cpu/open.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <system_error>

#include "cpu/engine.h"
#include "heap-range.h"

namespace data2vec {

namespace {

// What the functions of one open engine share; `engine` is empty after close().
struct OpenEngine {
  std::shared_ptr<CpuEngine> engine;
  Napi::FunctionReference growWorkspace;
};

// The range that JavaScript gave, in the heap of the engine; otherwise nullptr, with an exception pending.
char* rangeAt(Napi::Env env, const char* function, const OpenEngine& open, const Napi::Value& address, double bytes) {
  return rangeOf(env, function, open.engine == nullptr ? nullptr : &open.engine->heap(), address, bytes);
}

void* grow(OpenEngine& open, size_t bytes) {
  const Napi::Env env = open.growWorkspace.Env();
  const Napi::Value address = open.growWorkspace.Call({Napi::Number::New(env, static_cast<double>(bytes))});
  return env.IsExceptionPending() ? nullptr : rangeAt(env, "workspace", open, address, static_cast<double>(bytes));
}

void upload(const Napi::CallbackInfo& info, const OpenEngine& open) {
  const auto bytes = info[1].As<Napi::Uint8Array>();
  char* to = rangeAt(info.Env(), "upload", open, info[0], static_cast<double>(bytes.ByteLength()));
  if (to != nullptr && bytes.ByteLength() > 0) std::memcpy(to, bytes.Data(), bytes.ByteLength());
}

Napi::Value download(const Napi::CallbackInfo& info, const OpenEngine& open) {
  const Napi::Env env = info.Env();
  const double bytes = info[1].As<Napi::Number>().DoubleValue();
  const char* from = rangeAt(env, "download", open, info[0], bytes);
  if (from == nullptr) return env.Undefined();
  const auto size = static_cast<size_t>(bytes);
  auto copy = Napi::ArrayBuffer::New(env, size);
  if (env.IsExceptionPending()) return env.Undefined();
  if (size > 0) std::memcpy(copy.Data(), from, size);
  return copy;
}

Napi::Value multiplyAdds(const Napi::CallbackInfo& info, const OpenEngine& open) {
  const Napi::Env env = info.Env();
  if (open.engine == nullptr) {
    fail(env, "multiplyAdds: the engine is closed");
    return env.Undefined();
  }
  struct Call {
    float (*run)(int32_t);
    int32_t tasks;
    float operations;
  } call{open.engine->kernels().multiply_adds, info[0].As<Napi::Number>().Int32Value(), 0};
  open.engine->invoke([](void* data) { static_cast<Call*>(data)->operations = static_cast<Call*>(data)->run(static_cast<Call*>(data)->tasks); },
                      &call);
  return env.IsExceptionPending() ? env.Undefined() : Napi::Number::New(env, static_cast<double>(call.operations) * call.tasks);
}

bool bindKernels(Napi::Env env, Napi::Object table, const std::shared_ptr<CpuEngine>& engine) {
  const data2vec_kernel_table& kernels = engine->kernels();
#define DATA2VEC_BIND(name) &&bindKernel(env, table, #name, engine, kernels.name)
  return true DATA2VEC_KERNELS(DATA2VEC_BIND);
#undef DATA2VEC_BIND
}

}  // namespace

Napi::Value cpuInstructionSets(const Napi::CallbackInfo& info) {
  auto names = Napi::Array::New(info.Env());
  for (const InstructionSet& set : instructionSets()) names[names.Length()] = set.name;
  return names;
}

Napi::Value openCpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 4 || !info[0].IsString() || !info[1].IsNumber() || !info[2].IsNumber() || !info[3].IsFunction()) {
    Napi::TypeError::New(env, "openCpu: expected instruction set, threads, bytes to reserve and a function").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::string name = info[0].As<Napi::String>();
  const auto threads = info[1].As<Napi::Number>().Int32Value();
  const auto reserve = info[2].As<Napi::Number>().DoubleValue();
  const auto& sets = instructionSets();
  const auto set = std::find_if(sets.begin(), sets.end(), [&name](const InstructionSet& candidate) { return candidate.name == name; });
  if (set == sets.end()) {
    fail(env, "openCpu: this machine doesn't have the instruction set \"" + name + "\"");
    return env.Undefined();
  }
  const auto open = std::make_shared<OpenEngine>();
  open->growWorkspace = Napi::Persistent(info[3].As<Napi::Function>());
  try {
    // The engine holds no share of `open`, which holds it.
    open->engine = std::make_shared<CpuEngine>(*set, threads, static_cast<size_t>(reserve),
                                               [shared = open.get()](size_t bytes) { return grow(*shared, bytes); });
  } catch (const std::system_error& error) {
    fail(env, "cpu: " + std::to_string(threads) + " threads could not be started: " + error.what());
    return env.Undefined();
  } catch (const std::bad_alloc&) {
    fail(env, "cpu: the system gives no address space of " + std::to_string(static_cast<size_t>(reserve) >> 20) +
                  " MiB\nlower the memory limit, or raise what the system allows (ulimit -v)");
    return env.Undefined();
  }

  auto kernels = Napi::Object::New(env);
  auto result = Napi::Object::New(env);
  if (!bindKernels(env, kernels, open->engine)) {
    fail(env, "openCpu: the kernels could not be bound");
    return env.Undefined();
  }
  result["kernels"] = kernels;
  result["commit"] = Napi::Function::New(env, [open](const Napi::CallbackInfo& call) {
    return Napi::Boolean::New(call.Env(), open->engine != nullptr && open->engine->commit(static_cast<size_t>(call[0].As<Napi::Number>().DoubleValue())));
  });
  result["upload"] = Napi::Function::New(env, [open](const Napi::CallbackInfo& call) { upload(call, *open); });
  result["download"] = Napi::Function::New(env, [open](const Napi::CallbackInfo& call) { return download(call, *open); });
  result["multiplyAdds"] = Napi::Function::New(env, [open](const Napi::CallbackInfo& call) { return multiplyAdds(call, *open); });
  result["close"] = Napi::Function::New(env, [open](const Napi::CallbackInfo&) {
    open->engine.reset();
    open->growWorkspace.Reset();
  });
  return result;
}

}  // namespace data2vec
