/*
 * The C kernels for one instruction set. CMakeLists.txt compiles this file once for each, with its flags, with VLEN, and with DATA2VEC_SET:
 * the word in the names of its symbols, since all of them share one addon.
 */
#define DATA2VEC_NATIVE
#include "cpu/kernel-table.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define SYMBOL(name) STRING(__USER_LABEL_PREFIX__) "data2vec_" STRING(DATA2VEC_SET) "_" #name

#define RENAME(name) extern __typeof__(name) name __asm__(SYMBOL(name));
DATA2VEC_KERNELS(RENAME)
extern float multiply_adds(int32_t tasks) __asm__(SYMBOL(multiply_adds));

#include "main.c" /* of wasm/ */

extern const data2vec_kernel_table JOIN(data2vec_kernels_, DATA2VEC_SET);
const data2vec_kernel_table JOIN(data2vec_kernels_, DATA2VEC_SET) = {
#define ENTRY(name) .name = name,
    DATA2VEC_KERNELS(ENTRY).multiply_adds = multiply_adds,
};
