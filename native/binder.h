// Turns C kernels into Node-API functions, generated from their signatures: no code per kernel.
#ifndef DATA2VEC_NATIVE_BINDER_H
#define DATA2VEC_NATIVE_BINDER_H

#include <node_api.h>

#include <cstddef>
#include <cstdint>
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

// What a bound function carries: the heap it works on, and its name for messages.
struct Bound {
  std::shared_ptr<Heap> heap;
  std::string name;
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

template <auto Kernel>
struct Binding;

template <typename... Args, void (*Kernel)(Args...)>
struct Binding<Kernel> {
  static constexpr size_t arity = sizeof...(Args);

  static napi_value call(napi_env env, napi_callback_info info) {
    napi_value values[arity];
    size_t count = arity;
    void* data = nullptr;
    if (napi_get_cb_info(env, info, &count, values, nullptr, &data) != napi_ok) return nullptr;
    const auto& bound = *static_cast<Bound*>(data);
    if (count != arity) {
      fail(env, bound.name + ": expected " + std::to_string(arity) + " arguments, got " + std::to_string(count));
      return nullptr;
    }
    run(env, bound, values, std::index_sequence_for<Args...>{});
    return nullptr;
  }

 private:
  template <size_t... I>
  static void run(napi_env env, const Bound& bound, const napi_value* values, std::index_sequence<I...>) {
    std::tuple<Args...> args{};
    if ((read(env, bound, values, I, std::get<I>(args)) && ...)) Kernel(std::get<I>(args)...);
  }

  template <typename T>
  static bool read(napi_env env, const Bound& bound, const napi_value* values, size_t index, T& out) {
    double value = 0;
    const bool isNumber = napi_get_value_double(env, values[index], &value) == napi_ok;
    if (isNumber && convert(*bound.heap, value, out)) return true;
    fail(env, bound.name + ": argument " + std::to_string(index + 1) + ": expected " + expectation(out) +
                  (isNumber ? ", got " + std::to_string(value) : ""));
    return false;
  }

  static void fail(napi_env env, const std::string& message) { napi_throw_type_error(env, nullptr, message.c_str()); }
};

// Adds Kernel to `table` as a JavaScript function of positional numbers working on `heap`.
template <auto Kernel>
bool bind(napi_env env, napi_value table, const char* snakeName, const std::shared_ptr<Heap>& heap) {
  auto bound = std::make_unique<Bound>(Bound{heap, camelCase(snakeName)});
  napi_value function;
  if (napi_create_function(env, bound->name.c_str(), NAPI_AUTO_LENGTH, Binding<Kernel>::call, bound.get(), &function) != napi_ok ||
      napi_set_named_property(env, table, bound->name.c_str(), function) != napi_ok) {
    return false;
  }
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Bound*>(data); };
  if (napi_add_finalizer(env, function, bound.get(), destroy, nullptr, nullptr) != napi_ok) return false;
  bound.release();
  return true;
}

}  // namespace data2vec

#endif
