// Stands in for the device query where the addon is compiled without nvcc.
#include "devices.h"

namespace data2vec {

CudaReport cudaReport() {
  CudaReport report;
  report.reason = "the addon was compiled without CUDA (no working nvcc was found)";
  return report;
}

}  // namespace data2vec
