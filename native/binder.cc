#include "binder.h"

namespace data2vec {

namespace {

void appendText(std::string& text, const std::string& value) { text += (text.empty() ? "" : ", ") + value; }

// layer_norm_grad -> layerNormGrad
std::string camelCase(const char* snake) {
  std::string name;
  for (; *snake != '\0'; ++snake) {
    const bool hump = *snake == '_' && snake[1] >= 'a' && snake[1] <= 'z';
    name += hump ? static_cast<char>(*++snake - 'a' + 'A') : *snake;
  }
  return name;
}

void failType(napi_env env, const std::string& message) { napi_throw_type_error(env, nullptr, message.c_str()); }

}  // namespace

bool convert(const Heap&, double value, float& out) {
  out = static_cast<float>(value);
  return true;
}

bool convert(const Heap&, double value, int32_t& out) {
  if (!(value >= INT32_MIN && value <= INT32_MAX)) return false;
  out = static_cast<int32_t>(value);
  return out == value;
}

bool convertAddress(const Heap& heap, double value, size_t alignment, void*& out) {
  if (!(value >= 0 && value < static_cast<double>(heap.size))) return false;
  const auto offset = static_cast<size_t>(value);
  out = offset == 0 ? nullptr : heap.base + offset;
  return static_cast<double>(offset) == value && offset % alignment == 0;
}

void append(std::string& text, float value) { appendText(text, std::to_string(value)); }

void append(std::string& text, int32_t value) { appendText(text, std::to_string(value)); }

BoundCall enter(napi_env env, napi_callback_info info, size_t arity, napi_value* values) {
  size_t count = arity;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, values, nullptr, &data) != napi_ok) return {nullptr, nullptr};
  const auto* bound = static_cast<const BoundKernel*>(data);
  if (count != arity) {
    failType(env, bound->name + ": expected " + std::to_string(arity) + " arguments, got " + std::to_string(count));
    return {bound, nullptr};
  }
  BoundCall entered{bound, bound->host.lock()};
  if (entered.host == nullptr) failType(env, bound->name + ": the engine is closed");
  return entered;
}

void failArgument(napi_env env, const BoundKernel& bound, size_t index, const char* expected, napi_value value) {
  double number = 0;
  const std::string got = napi_get_value_double(env, value, &number) == napi_ok ? ", got " + std::to_string(number) : "";
  failType(env, bound.name + ": argument " + std::to_string(index + 1) + ": expected " + expected + got);
}

void invoke(napi_env env, const BoundCall& entered, void (*call)(void*), std::string (*sizes)(const void*), void* arguments) {
  try {
    entered.host->invoke(call, arguments);
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, (entered.bound->name + "(" + sizes(arguments) + "): " + error.what()).c_str());
  }
}

bool bindFunction(napi_env env, napi_value table, const char* snakeName, BoundKernel bound, napi_callback call) {
  auto data = std::make_unique<BoundKernel>(std::move(bound));
  data->name = camelCase(snakeName);
  napi_value function;
  if (napi_create_function(env, data->name.c_str(), NAPI_AUTO_LENGTH, call, data.get(), &function) != napi_ok ||
      napi_set_named_property(env, table, data->name.c_str(), function) != napi_ok) {
    return false;
  }
  const auto destroy = [](napi_env, void* pointer, void*) { delete static_cast<BoundKernel*>(pointer); };
  if (napi_add_finalizer(env, function, data.get(), destroy, nullptr, nullptr) != napi_ok) return false;
  data.release();
  return true;
}

}  // namespace data2vec
