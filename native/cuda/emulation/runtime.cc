#include "cuda/emulation/runtime.h"

#include <atomic>

namespace {

std::atomic<cudaError_t> nextFailure{cudaSuccess};
std::atomic<bool> refused{false};

}  // namespace

namespace data2vec::emulation {

cudaError_t takeFailure() { return nextFailure.exchange(cudaSuccess); }

void failNext(cudaError_t error) { nextFailure = error; }

bool takeRefusal() { return refused.exchange(false); }

void refuseMemory() { refused = true; }

}  // namespace data2vec::emulation

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
    default: return "cudaErrorUnknown";
  }
}

const char* cudaGetErrorString(cudaError_t error) { return error == cudaSuccess ? "no error" : "a failure that a test asked for"; }

// The emulated machine has two devices.
cudaError_t cudaSetDevice(int device) { return device == 0 || device == 1 ? cudaSuccess : cudaErrorInvalidDevice; }
