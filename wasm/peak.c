/* The speed limit a matrix product is measured against: multiply-adds on registers, with nothing else to do. */
#define PEAK_CHAINS 12

/* Does iterations * PEAK_CHAINS * VLEN multiply-adds; returns their sum so that none can be left out. */
__attribute__((export_name("fma_peak"))) float fma_peak(int32_t iterations) {
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define DECLARE(i) vf c##i = vset1((float)(i));
#define STEP(i) c##i = vfma(c##i, scale, offset);
#define SUM(i) sum = vadd(sum, c##i);
  vf scale = vset1(0.5f), offset = vset1((float)iterations), sum = vzero();
  CHAINS(DECLARE)
  for (; iterations > 0; --iterations) {
    CHAINS(STEP)
  }
  CHAINS(SUM)
  return vsum(sum);
#undef CHAINS
#undef DECLARE
#undef STEP
#undef SUM
}
