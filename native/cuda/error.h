// Failures of CUDA calls, with CUDA's own name for them.
#ifndef DATA2VEC_CUDA_ERROR_H
#define DATA2VEC_CUDA_ERROR_H

#include <stdexcept>
#include <string>

#include "cuda/platform.h"

namespace data2vec::cuda {

inline std::string describe(cudaError_t code) { return std::string(cudaGetErrorName(code)) + ": " + cudaGetErrorString(code); }

// A failed launch or call of the runtime; the message has CUDA's name of the error.
class CudaError : public std::runtime_error {
 public:
  explicit CudaError(const std::string& message, cudaError_t code = cudaSuccess) : std::runtime_error(message), code_(code) {}

  // Whether the device can't be used any more by this process: every later call would fail alike.
  bool isSticky() const {
    switch (code_) {
      case cudaErrorDevicesUnavailable:
      case cudaErrorECCUncorrectable:
      case cudaErrorIllegalAddress:
      case cudaErrorLaunchTimeout:
      case cudaErrorContextIsDestroyed:
      case cudaErrorAssert:
      case cudaErrorHardwareStackError:
      case cudaErrorIllegalInstruction:
      case cudaErrorMisalignedAddress:
      case cudaErrorInvalidAddressSpace:
      case cudaErrorInvalidPc:
      case cudaErrorLaunchFailure:
      case cudaErrorUnknown:
        return true;
      default:
        return false;
    }
  }

 private:
  cudaError_t code_;
};

// Throws unless a call of the runtime succeeded; the runtime then forgets the error.
inline void check(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  cudaGetLastError();
  throw CudaError(std::string(call) + ": " + describe(code), code);
}

}  // namespace data2vec::cuda

#endif
