/* The kernels of one instruction set as a struct of function pointers, { fill, copy, ..., multiply_adds }. */
#ifndef DATA2VEC_NATIVE_CPU_KERNEL_TABLE_H
#define DATA2VEC_NATIVE_CPU_KERNEL_TABLE_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#define DATA2VEC_POINTER(name) decltype(&::name)
#else
#define DATA2VEC_POINTER(name) __typeof__(&name)
#endif

typedef struct {
#define DATA2VEC_FIELD(name) DATA2VEC_POINTER(name) name;
  DATA2VEC_KERNELS(DATA2VEC_FIELD)
#undef DATA2VEC_FIELD
  float (*multiply_adds)(int32_t tasks); /* wasm/peak.c */
} data2vec_kernel_table;

#ifdef __cplusplus
}
#endif
#endif
