/* copy: y = x. */
void copy(float *y, const float *x, int32_t count) { __builtin_memcpy(y, x, (size_t)count * sizeof(float)); }
