// Failures of CUDA calls, with CUDA's own name for them.
#ifndef DATA2VEC_NATIVE_CUDA_ERROR_H
#define DATA2VEC_NATIVE_CUDA_ERROR_H

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace data2vec {

class CudaError : public std::runtime_error {
 public:
  CudaError(cudaError_t code, const std::string& call)
      : std::runtime_error(call + ": " + cudaGetErrorString(code) + " (" + cudaGetErrorName(code) + ", " + std::to_string(code) + ")"),
        code_(code) {}
  cudaError_t code() const { return code_; }
  // Whether the device can't be used any more by this process: every later call would fail alike.
  bool isSticky() const;

 private:
  cudaError_t code_;
};

// Throws CudaError when `status`, which `call` returned, is one; the runtime then forgets it.
inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw CudaError(status, call);
}

}  // namespace data2vec

#endif
