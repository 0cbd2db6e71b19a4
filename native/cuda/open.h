// What JavaScript sees of the CUDA engine.
#ifndef DATA2VEC_NATIVE_CUDA_OPEN_H
#define DATA2VEC_NATIVE_CUDA_OPEN_H

#include <napi.h>

namespace data2vec {

// openCuda(device, precision, simple, reserve, growWorkspace): { kernels, commit, unused, upload, download, synchronize, beginCapture, endCapture, replay, drop, close }.
Napi::Value openCuda(const Napi::CallbackInfo& info);

}  // namespace data2vec

#endif
