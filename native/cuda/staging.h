// Uploads that return at once: host bytes go through page-locked memory and a copy stream, in the order of the compute stream.
#ifndef DATA2VEC_NATIVE_CUDA_STAGING_H
#define DATA2VEC_NATIVE_CUDA_STAGING_H

#include <cstddef>

#include "cuda/platform.h"

namespace data2vec {

/*
 * Two halves of page-locked memory, each with a twin on the device. An upload is copied into the current half, sent to its twin on the copy
 * stream, beside whatever computes, and moved into place on the compute stream, after the work issued before and before the work issued after.
 * The host waits only when it comes round to a half whose contents haven't left yet.
 */
class Staging {
 public:
  // Throws CudaError.
  explicit Staging(cudaStream_t compute);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // The source may be reused when this returns. Throws CudaError.
  void upload(char* to, const char* from, size_t bytes);

 private:
  void uploadPart(char* to, const char* from, size_t bytes);
  void release();

  cudaStream_t compute_, copy_ = nullptr;
  char *host_ = nullptr, *device_ = nullptr;
  cudaEvent_t sent_ = nullptr, drained_[2] = {nullptr, nullptr};
  int half_ = 0;
  size_t used_ = 0;
};

}  // namespace data2vec

#endif
