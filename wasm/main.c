/* The engine as one translation unit, which compiles far faster than one per kernel. */
#include "kernels.h"
#include "math.h"
#include "parallel.h"
#include "philox.h"
#include "simd.h"

#include "kernels/add.c"
#include "kernels/copy.c"
#include "kernels/fill.c"
