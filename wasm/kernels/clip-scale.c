/* clipScale: what to multiply a gradient with so that its norm is at most max_norm; NaN when the norm isn't finite. */
void clip_scale(float *scale, const float *squared_norm, float max_norm) {
  float squares = squared_norm[0];
  if (!(squares < F32_INFINITY)) {
    scale[0] = __builtin_nanf("");
    return;
  }
  float limit = max_norm / (sqrt1(squares) + 1e-6f);
  scale[0] = max_norm > 0 && limit < 1.0f ? limit : 1.0f;
}
