// Resampling for src/data/audio/resample.ts, a module of its own beside the engine: it needs neither threads nor the engine's heap.
#include <stdint.h>

typedef double f64x2 __attribute__((vector_size(16), aligned(8)));

// taps is a multiple of 8.
static inline double dot(const double *row, const double *input, int32_t taps) {
  f64x2 a = {0, 0}, b = a, c = a, d = a;
  for (int32_t tap = 0; tap < taps; tap += 8) {
    const f64x2 *weights = (const f64x2 *)(row + tap);
    const f64x2 *samples = (const f64x2 *)(input + tap);
    a += weights[0] * samples[0];
    b += weights[1] * samples[1];
    c += weights[2] * samples[2];
    d += weights[3] * samples[3];
  }
  const f64x2 sum = (a + b) + (c + d);
  return sum[0] + sum[1];
}

// `count` outputs: the time of output i is that of input (rest + i * down) / up. The table has a row of `taps` weights for each of `phases`
// parts of the time between two inputs, and one more; where there are fewer than `up`, outputs lie between two rows. 0 <= rest < up.
void resample(float *out, const double *input, const double *table, int32_t count, int32_t taps, int32_t phases, int32_t up, int32_t down,
              int32_t rest) {
  for (int32_t i = 0; i < count; i++) {
    if (phases == up) {
      out[i] = (float)dot(table + rest * taps, input, taps);
    } else {
      const double position = (double)rest / up * phases;
      const int32_t row = (int32_t)position;
      const double low = dot(table + row * taps, input, taps);
      const double high = dot(table + (row + 1) * taps, input, taps);
      out[i] = (float)(low + (position - row) * (high - low));
    }
    input += down / up;
    rest += down % up;
    if (rest >= up) {
      rest -= up;
      input += 1;
    }
  }
}
