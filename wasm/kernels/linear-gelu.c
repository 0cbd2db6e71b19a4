/* linear_gelu: gelu(x · weightᵀ + bias). */
static void finish_gelu(const void *y, const float *c, size_t at, int32_t columns) { gelu_row((float *)y + at, c + at, columns); }

void linear_gelu(float *y, float *pre, const float *x, const float *weight, const float *bias, int32_t rows, int32_t in_dim,
                 int32_t out_dim) {
  gemm_problem problem = linear_problem(pre ? pre : y, x, weight, bias, rows, in_dim, out_dim);
  problem.finish = finish_gelu, problem.context = y;
  gemm(problem);
}
