#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "cuda/error.h"

namespace data2vec {

using cuda::check;

namespace {

constexpr size_t kHalf = size_t{16} << 20;
constexpr size_t kAlignment = 256;

}  // namespace

Staging::Staging(cudaStream_t compute) : compute_(compute) {
  try {
    check(cudaStreamCreateWithFlags(&copy_, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaHostAlloc(reinterpret_cast<void**>(&host_), 2 * kHalf, cudaHostAllocDefault), "cudaHostAlloc of the staging memory");
    check(cudaMalloc(reinterpret_cast<void**>(&device_), 2 * kHalf), "cudaMalloc of the staging memory");
    check(cudaEventCreateWithFlags(&sent_, cudaEventDisableTiming), "cudaEventCreate");
    for (cudaEvent_t& event : drained_) check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  } catch (...) {
    release();
    throw;
  }
}

Staging::~Staging() { release(); }

void Staging::release() {
  if (copy_ != nullptr) cudaStreamSynchronize(copy_);
  for (cudaEvent_t event : {sent_, drained_[0], drained_[1]}) {
    if (event != nullptr) cudaEventDestroy(event);
  }
  if (device_ != nullptr) cudaFree(device_);
  if (host_ != nullptr) cudaFreeHost(host_);
  if (copy_ != nullptr) cudaStreamDestroy(copy_);
}

void Staging::upload(char* to, const char* from, size_t bytes) {
  while (bytes > 0) {
    if (used_ == kHalf) {
      check(cudaEventRecord(drained_[half_], compute_), "cudaEventRecord");
      half_ = 1 - half_;
      used_ = 0;
      check(cudaEventSynchronize(drained_[half_]), "upload");
    }
    const size_t part = std::min(bytes, kHalf - used_);
    uploadPart(to, from, part);
    to += part, from += part, bytes -= part;
  }
}

void Staging::uploadPart(char* to, const char* from, size_t bytes) {
  const size_t at = static_cast<size_t>(half_) * kHalf + used_;
  std::memcpy(host_ + at, from, bytes);
  check(cudaMemcpyAsync(device_ + at, host_ + at, bytes, cudaMemcpyHostToDevice, copy_), "upload");
  check(cudaEventRecord(sent_, copy_), "cudaEventRecord");
  check(cudaStreamWaitEvent(compute_, sent_, 0), "cudaStreamWaitEvent");
  check(cudaMemcpyAsync(to, device_ + at, bytes, cudaMemcpyDeviceToDevice, compute_), "upload");
  used_ = std::min(kHalf, (used_ + bytes + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace data2vec
