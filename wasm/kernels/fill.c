/* fill: y = value. */
void fill(float *y, int32_t count, float value) {
  vf v = vset1(value);
  int32_t i = 0;
  for (; i + VLEN <= count; i += VLEN) vstore(y + i, v);
  for (; i < count; i++) y[i] = value;
}
