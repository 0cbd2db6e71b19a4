/* ema: teacher = decay * teacher + (1 - decay) * student. */
typedef struct {
  float *teacher;
  const float *student, *decay;
  int32_t count;
} ema_args;

static void ema_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const ema_args *args = ctx;
  float *teacher = args->teacher;
  const float *student = args->student;
  float share = 1.0f - args->decay[0];
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args->count, i + ELEMENTS_PER_TASK);
  for (; i + VLEN <= end; i += VLEN) {
    vf t = vload(teacher + i);
    vstore(teacher + i, vfma(vset1(share), vsub(vload(student + i), t), t));
  }
  for (; i < end; i++) teacher[i] += share * (student[i] - teacher[i]);
}

void ema(float *teacher, const float *student, const float *decay, int32_t count) {
  ema_args args = {teacher, student, decay, count};
  parallel_for(ema_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}
