// Ranges of a heap as JavaScript gives them.
#ifndef DATA2VEC_NATIVE_HEAP_RANGE_H
#define DATA2VEC_NATIVE_HEAP_RANGE_H

#include <napi.h>

#include <string>

#include "binder.h"

namespace data2vec {

inline void fail(Napi::Env env, const std::string& message) { Napi::Error::New(env, message).ThrowAsJavaScriptException(); }

// The address, when `bytes` from there lie in the heap, which is nullptr once the engine is closed; otherwise nullptr, with an exception pending.
inline char* rangeOf(Napi::Env env, const char* function, const Heap* heap, const Napi::Value& address, double bytes) {
  if (heap == nullptr) {
    fail(env, std::string(function) + ": the engine is closed");
    return nullptr;
  }
  const double offset = address.IsNumber() ? address.As<Napi::Number>().DoubleValue() : -1;
  if (!(offset > 0 && bytes >= 0 && offset + bytes <= static_cast<double>(heap->size))) {
    fail(env, std::string(function) + ": the range is not in the heap");
    return nullptr;
  }
  return heap->base + static_cast<size_t>(offset);
}

}  // namespace data2vec

#endif
