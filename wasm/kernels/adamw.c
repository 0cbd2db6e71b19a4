/* adamw: one step of AdamW over a flat range (Loshchilov and Hutter 2019, "Decoupled weight decay regularization"). */
typedef struct {
  float *parameter, *m, *v;
  const float *gradient;
  int32_t count;
  float grad_scale, beta1, beta2, decay, step, correction, epsilon;
} adamw_args;

INLINE void adamw_vector(const adamw_args *args, vf *parameter, vf *m, vf *v, vf gradient) {
  vf g = vmul(gradient, vset1(args->grad_scale)), p = *parameter;
  *m = vfma(vset1(1.0f - args->beta1), g, vmul(vset1(args->beta1), *m));
  *v = vfma(vmul(vset1(1.0f - args->beta2), g), g, vmul(vset1(args->beta2), *v));
  vf divisor = vfma(vsqrt(*v), vset1(args->correction), vset1(args->epsilon));
  vf change = vfma(vset1(args->decay), p, vdiv(vmul(vset1(args->step), *m), divisor));
  *parameter = vsub(p, change);
}

static void adamw_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const adamw_args args = *(const adamw_args *)ctx;
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args.count, i + ELEMENTS_PER_TASK);
  for (; i + VLEN <= end; i += VLEN) {
    vf p = vload(args.parameter + i), m = vload(args.m + i), v = vload(args.v + i);
    adamw_vector(&args, &p, &m, &v, vload(args.gradient + i));
    vstore(args.parameter + i, p), vstore(args.m + i, m), vstore(args.v + i, v);
  }
  if (i == end) return;
  int32_t n = end - i;
  vf p = vload_part(args.parameter + i, n), m = vload_part(args.m + i, n), v = vload_part(args.v + i, n);
  adamw_vector(&args, &p, &m, &v, vload_part(args.gradient + i, n));
  vstore_part(args.parameter + i, p, n), vstore_part(args.m + i, m, n), vstore_part(args.v + i, v, n);
}

void adamw(float *parameter, float *m, float *v, const float *gradient, const float *grad_scale, const float *scalars, int32_t count,
           float lr_scale, float weight_decay, float beta1, float beta2) {
  if (grad_scale[0] != grad_scale[0]) return;
  adamw_args args = {.parameter = parameter,
                     .m = m,
                     .v = v,
                     .gradient = gradient,
                     .count = count,
                     .grad_scale = grad_scale[0],
                     .beta1 = beta1,
                     .beta2 = beta2,
                     .decay = lr_scale * scalars[0] * weight_decay,
                     .step = lr_scale * scalars[1],
                     .correction = scalars[2],
                     .epsilon = scalars[3]};
  parallel_for(adamw_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}
