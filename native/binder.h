// Turns C kernels into Node-API functions, generated from their signatures: no code per kernel.
#ifndef DATA2VEC_NATIVE_BINDER_H
#define DATA2VEC_NATIVE_BINDER_H

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

namespace data2vec {

// The memory that kernels work on; an address in JavaScript is a byte offset from `base`, and 0 is "absent".
struct Heap {
  char* base;
  size_t size;
};

// An engine as its bound kernels see it.
class KernelHost {
 public:
  virtual ~KernelHost() = default;
  virtual const Heap& heap() const = 0;
  // Calls call(arguments), which runs one kernel. What it throws as a std::exception becomes a JavaScript error.
  virtual void invoke(void (*call)(void*), void* arguments) = 0;
};

// What a bound function carries: the engine it works on, as long as that is open, its name for messages, and the kernel of a signature that
// its Binding knows.
struct BoundKernel {
  std::weak_ptr<KernelHost> host;
  std::string name;
  void (*kernel)();
};

// Converts one JavaScript number to a C argument; false when the number can't be one.
bool convert(const Heap& heap, double value, float& out);
bool convert(const Heap& heap, double value, int32_t& out);
bool convertAddress(const Heap& heap, double value, size_t alignment, void*& out);

template <typename T>
bool convert(const Heap& heap, double value, T*& out) {
  void* address = nullptr;
  if (!convertAddress(heap, value, alignof(T), address)) return false;
  out = static_cast<T*>(address);
  return true;
}

inline const char* expectation(const float&) { return "a number"; }
inline const char* expectation(const int32_t&) { return "a 32-bit integer"; }
template <typename T>
const char* expectation(T* const&) { return "an aligned address in the heap, or 0"; }

// Sizes and attributes, in their order, say what a failed call was about; addresses say nothing.
void append(std::string& text, float value);
void append(std::string& text, int32_t value);
inline void append(std::string&, const void*) {}

// What one call of a bound function works on; without a host an exception is pending.
struct BoundCall {
  const BoundKernel* bound;
  std::shared_ptr<KernelHost> host;
};

// The steps of a call that don't depend on the kernel's signature, so that they are compiled once.
BoundCall enter(napi_env env, napi_callback_info info, size_t arity, napi_value* values);
void failArgument(napi_env env, const BoundKernel& bound, size_t index, const char* expected, napi_value value);
void invoke(napi_env env, const BoundCall& entered, void (*call)(void*), std::string (*sizes)(const void*), void* arguments);
bool bindFunction(napi_env env, napi_value table, const char* snakeName, BoundKernel bound, napi_callback call);

template <typename Kernel>
struct Binding;

template <typename... Args>
struct Binding<void (*)(Args...)> {
  static napi_value call(napi_env env, napi_callback_info info) {
    napi_value values[sizeof...(Args)];
    const BoundCall entered = enter(env, info, sizeof...(Args), values);
    if (entered.host != nullptr) run(env, entered, values, std::index_sequence_for<Args...>{});
    return nullptr;
  }

 private:
  struct Call {
    void (*kernel)(Args...);
    std::tuple<Args...> args;
  };

  template <size_t... I>
  static void run(napi_env env, const BoundCall& entered, const napi_value* values, std::index_sequence<I...>) {
    Call call{reinterpret_cast<void (*)(Args...)>(entered.bound->kernel), {}};
    if (!(read(env, *entered.bound, entered.host->heap(), values, I, std::get<I>(call.args)) && ...)) return;
    const auto sizes = [](const void* data) {
      std::string text;
      (append(text, std::get<I>(static_cast<const Call*>(data)->args)), ...);
      return text;
    };
    invoke(env, entered, [](void* data) { std::apply(static_cast<Call*>(data)->kernel, static_cast<Call*>(data)->args); }, sizes, &call);
  }

  template <typename T>
  static bool read(napi_env env, const BoundKernel& bound, const Heap& heap, const napi_value* values, size_t index, T& out) {
    double value = 0;
    if (napi_get_value_double(env, values[index], &value) == napi_ok && convert(heap, value, out)) return true;
    failArgument(env, bound, index, expectation(out), values[index]);
    return false;
  }
};

// Adds a kernel to `table` as a JavaScript function of positional numbers that works on `host`, until that is gone.
template <typename Kernel>
bool bindKernel(napi_env env, napi_value table, const char* snakeName, const std::shared_ptr<KernelHost>& host, Kernel kernel) {
  return bindFunction(env, table, snakeName, {host, {}, reinterpret_cast<void (*)()>(kernel)}, Binding<Kernel>::call);
}

}  // namespace data2vec

#endif
