/* binaryCrossEntropy: of targets in [0, 1] with the sigmoid of logits, with its gradient. */
void binary_cross_entropy(float *stats, float *d_logits, const float *logits, const float *targets, const float *normalizer, int32_t count) {
  float divisor = normalizer[0];
  double loss = 0;
  for (int32_t i = 0; i < count; i++) {
    /* With e = exp(-|z|): loss = max(z, 0) - z t + ln(1 + e), sigmoid(|z|) = 1 / (1 + e). */
    float z = logits[i], e = exp1(z < 0 ? z : -z), positive = 1.0f / (1.0f + e);
    float log1p = e < 1e-3f ? e - 0.5f * e * e : log1(1.0f + e);
    loss += (double)(z > 0 ? z : 0) - (double)z * targets[i] + log1p;
    d_logits[i] = ((z < 0 ? e * positive : positive) - targets[i]) / divisor;
  }
  stats[0] = (float)(loss / divisor);
}
