/*
 * Elementary functions on vectors, by polynomials fitted for float32. A NaN argument gives NaN. The errors named were measured against
 * double precision over the whole range, with and without fused multiply-add.
 */
#ifndef DATA2VEC_MATH_H
#define DATA2VEC_MATH_H
#include "simd.h"

#define LN2_HIGH 0x1.62e4p-1f /* 16 bits, so that n * LN2_HIGH is exact */
#define LN2_LOW 1.42860677e-6f
#define F32_INFINITY __builtin_inff()

INLINE vf vpoly(vf x, const float *c, int degree) {
  vf y = vset1(c[degree]);
  for (int i = degree - 1; i >= 0; i--) y = vfma(y, x, vset1(c[i]));
  return y;
}

/* e^x, within 1.3 ulp; 0 below -86.9, infinity above 88.73. */
INLINE vf vexp(vf x) {
  /* 2 e^r = 2 + 2 r + r² q(r) for |r| <= ln 2 / 2; doubled so that the scale 2^(n - 1) stays finite up to the largest result. */
  static const float q[] = {0.99999988079f, 0.33333039284f, 0.08333678544f, 0.01673756167f, 0.00276289345f};
  const vf round_magic = vset1(0x1.8p23f);
  x = vmin(vmax(x, vset1(-87.5f)), vset1(89.4f));
  vf shifted = vfma(x, vset1(1.44269504f), round_magic);
  vf n = vsub(shifted, round_magic);
  vf r = vfnma(n, vset1(LN2_LOW), vfnma(n, vset1(LN2_HIGH), x));
  vf two_exp_r = vfma(vmul(r, r), vpoly(r, q, 4), vfma(r, vset1(2.0f), vset1(2.0f)));
  vf scale = vfrom_bits(vadd_u32(vshl(vbits(shifted), 23), vset1_u32(126u << 23)));
  return vmul(two_exp_r, scale);
}

/*
 * e^x where x is negative or hardly above 0: within 2 ulp near 0, |x| ulp below; 0 below -44, beyond notice in a sum with e^0, so that no
 * denormals slow down what follows. Three quarters of the work of vexp.
 */
INLINE vf vexp_negative(vf x) {
  /* 2^r = 1 + r q(r) for |r| <= 1/2 */
  static const float q[] = {0.693147f, 0.24022242f, 0.055507336f, 0.009671513f, 0.0013264727f};
  const vf log2_e = vset1(1.44269504f), round_magic = vset1(0x1.8p23f);
  vf shifted = vfma(x, log2_e, round_magic), minus_n = vsub(round_magic, shifted), r = vfma(x, log2_e, minus_n);
  vf y = vfma(r, vpoly(r, q, 4), vset1(1.0f));
  return vdrop_below(x, -44.0f, vfrom_bits(vadd_u32(vbits(y), vshl(vbits(shifted), 23))));
}

/* ln x, within 0.9 ulp; -infinity at 0 and for denormals, NaN below 0. */
INLINE vf vlog(vf x) {
  /* x = 2^n (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); ln(1 + f) = f - f²/2 + f³ p(f). */
  static const float p[] = {0.33333331347f,  -0.25000819564f, 0.20001226664f, -0.16623356938f,
                            0.14201757317f, -0.13160182536f, 0.12761577964f, -0.07634497434f};
  const vu sqrt_half = vset1_u32(0x3f3504f3u);
  vu offset = vsub_u32(vbits(x), sqrt_half);
  vu exponent = vand(offset, vset1_u32(0xff800000u));
  vf f = vsub(vfrom_bits(vsub_u32(vbits(x), exponent)), vset1(1.0f));
  vf n = vmul(vconvert_i32(exponent), vset1(0x1p-23f));
  vf f2 = vmul(f, f);
  vf small = vfma(vmul(f2, f), vpoly(f, p, 7), vmul(n, vset1(LN2_LOW)));
  vf y = vfma(n, vset1(LN2_HIGH), vadd(vfma(f2, vset1(-0.5f), small), f));
  y = vselect(vlt(x, vset1(0x1p-126f)), vset1(-F32_INFINITY), y);
  y = vselect(vle(vset1(F32_INFINITY), x), vset1(F32_INFINITY), y);
  y = vselect(vlt(x, vzero()), vset1(__builtin_nanf("")), y);
  return vselect(veq(x, x), y, x);
}

/* The same functions of one number, bit for bit. */
INLINE float exp1(float x) {
  float lanes[VLEN];
  vstore(lanes, vexp(vset1(x)));
  return lanes[0];
}
INLINE float log1(float x) {
  float lanes[VLEN];
  vstore(lanes, vlog(vset1(x)));
  return lanes[0];
}
INLINE float sqrt1(float x) { return __builtin_sqrtf(x); }
#endif
