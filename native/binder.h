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
#include <type_traits>
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

// What a bound function carries: the engine it works on, as long as that is open, its name for messages, and the kernel.
template <typename Kernel>
struct Bound {
  std::weak_ptr<KernelHost> host;
  std::string name;
  Kernel kernel;
};

// Converts one JavaScript number to a C argument; false when the number can't be one.
inline bool convert(const Heap&, double value, float& out) {
  out = static_cast<float>(value);
  return true;
}

inline bool convert(const Heap&, double value, int32_t& out) {
  if (!(value >= INT32_MIN && value <= INT32_MAX)) return false;
  out = static_cast<int32_t>(value);
  return out == value;
}

template <typename T>
bool convert(const Heap& heap, double value, T*& out) {
  if (!(value >= 0 && value < static_cast<double>(heap.size))) return false;
  const auto offset = static_cast<size_t>(value);
  out = offset == 0 ? nullptr : reinterpret_cast<T*>(heap.base + offset);
  return static_cast<double>(offset) == value && offset % alignof(T) == 0;
}

inline const char* expectation(const float&) { return "a number"; }
inline const char* expectation(const int32_t&) { return "a 32-bit integer"; }
template <typename T>
const char* expectation(T* const&) { return "an aligned address in the heap, or 0"; }

// layer_norm_grad -> layerNormGrad
inline std::string camelCase(const char* snake) {
  std::string name;
  for (; *snake != '\0'; ++snake) {
    const bool hump = *snake == '_' && snake[1] >= 'a' && snake[1] <= 'z';
    name += hump ? static_cast<char>(*++snake - 'a' + 'A') : *snake;
  }
  return name;
}

template <typename Kernel>
struct Binding;

template <typename... Args>
struct Binding<void (*)(Args...)> {
  using Function = Bound<void (*)(Args...)>;
  static constexpr size_t arity = sizeof...(Args);

  static napi_value call(napi_env env, napi_callback_info info) {
    napi_value values[arity];
    size_t count = arity;
    void* data = nullptr;
    if (napi_get_cb_info(env, info, &count, values, nullptr, &data) != napi_ok) return nullptr;
    const auto& bound = *static_cast<Function*>(data);
    if (count != arity) {
      fail(env, bound.name + ": expected " + std::to_string(arity) + " arguments, got " + std::to_string(count));
      return nullptr;
    }
    const std::shared_ptr<KernelHost> host = bound.host.lock();
    if (host == nullptr) {
      fail(env, bound.name + ": the engine is closed");
      return nullptr;
    }
    run(env, bound, *host, values, std::index_sequence_for<Args...>{});
    return nullptr;
  }

 private:
  struct Call {
    void (*kernel)(Args...);
    std::tuple<Args...> args;
  };

  template <size_t... I>
  static void run(napi_env env, const Function& bound, KernelHost& host, const napi_value* values, std::index_sequence<I...>) {
    Call call{bound.kernel, {}};
    if (!(read(env, bound, host.heap(), values, I, std::get<I>(call.args)) && ...)) return;
    try {
      host.invoke([](void* data) { std::apply(static_cast<Call*>(data)->kernel, static_cast<Call*>(data)->args); }, &call);
    } catch (const std::exception& error) {
      std::string sizes;
      (append(sizes, std::get<I>(call.args)), ...);
      napi_throw_error(env, nullptr, (bound.name + "(" + sizes + "): " + error.what()).c_str());
    }
  }

  // Sizes and attributes, in their order, say what a failed call was about.
  template <typename T>
  static void append(std::string& text, const T& value) {
    if constexpr (!std::is_pointer_v<T>) text += (text.empty() ? "" : ", ") + std::to_string(value);
  }

  template <typename T>
  static bool read(napi_env env, const Function& bound, const Heap& heap, const napi_value* values, size_t index, T& out) {
    double value = 0;
    const bool isNumber = napi_get_value_double(env, values[index], &value) == napi_ok;
    if (isNumber && convert(heap, value, out)) return true;
    fail(env, bound.name + ": argument " + std::to_string(index + 1) + ": expected " + expectation(out) +
                  (isNumber ? ", got " + std::to_string(value) : ""));
    return false;
  }

  static void fail(napi_env env, const std::string& message) { napi_throw_type_error(env, nullptr, message.c_str()); }
};

// Adds a kernel to `table` as a JavaScript function of positional numbers that works on `host`, until that is gone.
template <typename Kernel>
bool bindKernel(napi_env env, napi_value table, const char* snakeName, const std::shared_ptr<KernelHost>& host, Kernel kernel) {
  auto bound = std::make_unique<Bound<Kernel>>(Bound<Kernel>{host, camelCase(snakeName), kernel});
  napi_value function;
  if (napi_create_function(env, bound->name.c_str(), NAPI_AUTO_LENGTH, Binding<Kernel>::call, bound.get(), &function) != napi_ok ||
      napi_set_named_property(env, table, bound->name.c_str(), function) != napi_ok) {
    return false;
  }
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Bound<Kernel>*>(data); };
  if (napi_add_finalizer(env, function, bound.get(), destroy, nullptr, nullptr) != napi_ok) return false;
  bound.release();
  return true;
}

}  // namespace data2vec

#endif
