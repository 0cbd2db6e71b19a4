// The kernels of native/cpu/scalar.c as JavaScript functions.
#ifndef DATA2VEC_NATIVE_CPU_SCALAR_H
#define DATA2VEC_NATIVE_CPU_SCALAR_H

#include "binder.h"
#include "kernels.h"

namespace data2vec {

// A table of all kernels, { fill, copy, ... }, that work on `heap`.
inline bool bindScalarKernels(napi_env env, napi_value table, const std::shared_ptr<Heap>& heap) {
#define DATA2VEC_BIND(name) &&bind<&::name>(env, table, #name, heap)
  return true DATA2VEC_KERNELS(DATA2VEC_BIND);
#undef DATA2VEC_BIND
}

}  // namespace data2vec

#endif
