/* linear_gelu: gelu(x · weightᵀ + bias). */
static void finish_gelu(const void *y, const float *c, size_t at, int32_t columns) { gelu_row((float *)y + at, c + at, columns); }

void linear_gelu(float *y, float *pre, const float *x, const float *weight, const float *bias, int32_t rows, int32_t in_dim,
                 int32_t out_dim) {
  operand a = {x, (size_t)in_dim, 1}, b = {weight, (size_t)in_dim, 1};
  float *c = pre ? pre : y;
  gemm((gemm_problem){.c = c, .bias = bias, .a = a, .b = b, .m = rows, .n = out_dim, .k = in_dim, .finish = finish_gelu, .context = y});
}
