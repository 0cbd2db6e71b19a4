/* linear_residual: r + keep / (1 - drop_path) * gamma * (x · weightᵀ + bias). */
static void finish_residual(const void *context, const float *c, size_t at, int32_t columns) {
  const residual_args *args = context;
  size_t row = at / (size_t)args->dim, column = at % (size_t)args->dim;
  residual_row(args->y + at, args->r + at, c + at, args->gamma ? args->gamma + column : 0, columns, residual_keep(args, (int32_t)row));
}

void linear_residual(float *y, float *branch, const float *r, const float *x, const float *weight, const float *bias, const float *gamma,
                     const uint32_t *rng, int32_t samples, int32_t rows_per_sample, int32_t in_dim, int32_t out_dim, float drop_path,
                     int32_t purpose) {
  int32_t rows = samples * rows_per_sample;
  residual_args args = {.y = y, .r = r, .gamma = gamma, .rng = rng, .rows = rows, .rows_per_sample = rows_per_sample, .dim = out_dim,
                        .drop_path = drop_path, .purpose = (uint32_t)purpose};
  gemm_problem problem = linear_problem(branch ? branch : y, x, weight, bias, rows, in_dim, out_dim);
  problem.finish = finish_residual, problem.context = &args;
  gemm(problem);
}
