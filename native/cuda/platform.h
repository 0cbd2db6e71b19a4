// The CUDA runtime: nvcc's, that of the toolkit for host sources of the addon (DATA2VEC_WITH_CUDA), or the emulation's.
#ifndef DATA2VEC_CUDA_PLATFORM_H
#define DATA2VEC_CUDA_PLATFORM_H

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#elif defined(DATA2VEC_WITH_CUDA)
#include <cuda_runtime_api.h>
#else
#include "cuda/emulation/cuda.h"
#endif

#endif
