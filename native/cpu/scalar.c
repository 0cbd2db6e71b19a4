/* The kernels of every engine's C sources, compiled for this machine on the scalar twin of the SIMD vocabulary. */
#include "../../wasm/main.c"
