/*
 * The SIMD vocabulary of all kernels: WASM SIMD128 (with fused multiply-add where relaxed SIMD is on) and a twin in vector extensions of
 * 4, 8 or 16 lanes, so that the same sources compile natively; where x86 or NEON has a better instruction, the twin names it.
 *
 *   vf  VLEN float32 lanes      vu  VLEN 32-bit lanes: bit patterns and masks (a mask lane is all ones or all zeros)
 *   v4  4 float32 lanes whatever VLEN is
 *   FUSED  defined where vfma rounds once and needs no register for the product
 * Write loops as `for (; i + VLEN <= n; i += VLEN)` and finish with vload_part / vstore_part.
 */
#ifndef DATA2VEC_SIMD_H
#define DATA2VEC_SIMD_H
#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline, unused))
#define NOINLINE static __attribute__((noinline, unused))

#if defined(__wasm_relaxed_simd__) || defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
#define FUSED
#endif

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#define VLEN 4
typedef v128_t vf;
typedef v128_t vu;

INLINE vf vload(const float *p) { return wasm_v128_load(p); }
INLINE void vstore(float *p, vf v) { wasm_v128_store(p, v); }
INLINE vu vload_u32(const uint32_t *p) { return wasm_v128_load(p); }
INLINE void vstore_u32(uint32_t *p, vu v) { wasm_v128_store(p, v); }
INLINE vf vset1(float x) { return wasm_f32x4_splat(x); }
INLINE vu vset1_u32(uint32_t x) { return wasm_u32x4_splat(x); }

INLINE vf vadd(vf a, vf b) { return wasm_f32x4_add(a, b); }
INLINE vf vsub(vf a, vf b) { return wasm_f32x4_sub(a, b); }
INLINE vf vmul(vf a, vf b) { return wasm_f32x4_mul(a, b); }
INLINE vf vdiv(vf a, vf b) { return wasm_f32x4_div(a, b); }
INLINE vf vsqrt(vf a) { return wasm_f32x4_sqrt(a); }
INLINE vf vabs(vf a) { return wasm_f32x4_abs(a); }
INLINE vf vneg(vf a) { return wasm_f32x4_neg(a); }
/* b < a ? b : a, so a NaN in `a` stays and one in `b` does not. */
INLINE vf vmin(vf a, vf b) { return wasm_f32x4_pmin(a, b); }
/* a < b ? b : a, so a NaN in `a` stays and one in `b` does not. */
INLINE vf vmax(vf a, vf b) { return wasm_f32x4_pmax(a, b); }
#ifdef __wasm_relaxed_simd__
INLINE vf vfma(vf a, vf b, vf c) { return wasm_f32x4_relaxed_madd(a, b, c); }
INLINE vf vfnma(vf a, vf b, vf c) { return wasm_f32x4_relaxed_nmadd(a, b, c); }
#else
/* a * b + c, in one or two roundings. */
INLINE vf vfma(vf a, vf b, vf c) { return wasm_f32x4_add(wasm_f32x4_mul(a, b), c); }
/* c - a * b, in one or two roundings. */
INLINE vf vfnma(vf a, vf b, vf c) { return wasm_f32x4_sub(c, wasm_f32x4_mul(a, b)); }
#endif

INLINE vu vlt(vf a, vf b) { return wasm_f32x4_lt(a, b); }
INLINE vu vle(vf a, vf b) { return wasm_f32x4_le(a, b); }
INLINE vu veq(vf a, vf b) { return wasm_f32x4_eq(a, b); }
/* Unsigned a >= b. */
INLINE vu vge_u32(vu a, vu b) { return wasm_u32x4_ge(a, b); }
/* Whether a lane of the mask is set. */
INLINE int vany(vu mask) { return wasm_v128_any_true(mask); }
/* mask ? a : b */
INLINE vf vselect(vu mask, vf a, vf b) { return wasm_v128_bitselect(a, b, mask); }
/* mask ? a : 0 */
INLINE vf vkeep(vu mask, vf a) { return wasm_v128_and(mask, a); }
/* mask ? 0 : a */
INLINE vf vdrop(vu mask, vf a) { return wasm_v128_andnot(a, mask); }

INLINE vu vbits(vf a) { return a; }
INLINE vf vfrom_bits(vu a) { return a; }
INLINE vu vand(vu a, vu b) { return wasm_v128_and(a, b); }
INLINE vu vor(vu a, vu b) { return wasm_v128_or(a, b); }
INLINE vu vxor(vu a, vu b) { return wasm_v128_xor(a, b); }
INLINE vu vadd_u32(vu a, vu b) { return wasm_i32x4_add(a, b); }
INLINE vu vsub_u32(vu a, vu b) { return wasm_i32x4_sub(a, b); }
#define vshl(a, n) wasm_i32x4_shl(a, n)
#define vshr(a, n) wasm_u32x4_shr(a, n)
/* Signed integer lanes to float. */
INLINE vf vconvert_i32(vu a) { return wasm_f32x4_convert_i32x4(a); }

/* The 64-bit products of unsigned lanes, as their low and high halves. */
INLINE void vmul_wide_u32(vu a, vu b, vu *low, vu *high) {
  __asm__ volatile("" : "+r"(a)); /* a factor known or hoisted would be multiplied as 64 bits, at three times the cost */
  v128_t first = wasm_u64x2_extmul_low_u32x4(a, b), second = wasm_u64x2_extmul_high_u32x4(a, b);
  *low = wasm_i32x4_shuffle(first, second, 0, 2, 4, 6);
  *high = wasm_i32x4_shuffle(first, second, 1, 3, 5, 7);
}

/* The sum of all lanes, in a fixed order. */
INLINE float vsum(vf v) {
  return (wasm_f32x4_extract_lane(v, 0) + wasm_f32x4_extract_lane(v, 2)) +
         (wasm_f32x4_extract_lane(v, 1) + wasm_f32x4_extract_lane(v, 3));
}

typedef v128_t v4;
INLINE v4 v4_load(const float *p) { return wasm_v128_load(p); }
INLINE void v4_store(float *p, v4 v) { wasm_v128_store(p, v); }
#define V4_SHUFFLE(a, b, i, j, k, l) wasm_i32x4_shuffle(a, b, i, j, k, l)

#else
#ifndef VLEN
#define VLEN 4
#endif

#if VLEN == 16 && defined(__AVX512F__)
#include <immintrin.h>
#define X86(operation) _mm512_##operation
#elif VLEN == 8 && defined(__AVX2__)
#include <immintrin.h>
#define X86(operation) _mm256_##operation
#elif VLEN == 4 && defined(__SSE4_1__)
#include <immintrin.h>
#define X86(operation) _mm_##operation
#endif

typedef float vf __attribute__((vector_size(4 * VLEN)));
typedef uint32_t vu __attribute__((vector_size(4 * VLEN)));
typedef int32_t vi __attribute__((vector_size(4 * VLEN)));
typedef float vf_unaligned __attribute__((vector_size(4 * VLEN), aligned(4), may_alias));
typedef uint32_t vu_unaligned __attribute__((vector_size(4 * VLEN), aligned(4), may_alias));

INLINE vf vload(const float *p) { return *(const vf_unaligned *)p; }
INLINE void vstore(float *p, vf v) { *(vf_unaligned *)p = v; }
INLINE vu vload_u32(const uint32_t *p) { return *(const vu_unaligned *)p; }
INLINE void vstore_u32(uint32_t *p, vu v) { *(vu_unaligned *)p = v; }
INLINE vf vset1(float x) { return x - (vf){0}; }
INLINE vu vset1_u32(uint32_t x) { return x - (vu){0}; }

INLINE vu vbits(vf a) { return (vu)a; }
INLINE vf vfrom_bits(vu a) { return (vf)a; }
INLINE vu vand(vu a, vu b) { return a & b; }
INLINE vu vor(vu a, vu b) { return a | b; }
INLINE vu vxor(vu a, vu b) { return a ^ b; }
INLINE vu vadd_u32(vu a, vu b) { return a + b; }
INLINE vu vsub_u32(vu a, vu b) { return a - b; }
#define vshl(a, n) ((vu)(a) << (n))
#define vshr(a, n) ((vu)(a) >> (n))

INLINE vf vadd(vf a, vf b) { return a + b; }
INLINE vf vsub(vf a, vf b) { return a - b; }
INLINE vf vmul(vf a, vf b) { return a * b; }
INLINE vf vdiv(vf a, vf b) { return a / b; }
#if defined(X86)
INLINE vf vsqrt(vf a) { return X86(sqrt_ps)(a); }
#else
INLINE vf vsqrt(vf a) {
  for (int i = 0; i < VLEN; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
#endif
INLINE vf vabs(vf a) { return vfrom_bits(vbits(a) & 0x7fffffffu); }
INLINE vf vneg(vf a) { return -a; }
#if defined(X86) && defined(FUSED)
INLINE vf vfma(vf a, vf b, vf c) { return X86(fmadd_ps)(a, b, c); }
INLINE vf vfnma(vf a, vf b, vf c) { return X86(fnmadd_ps)(a, b, c); }
#elif VLEN == 4 && defined(__aarch64__)
/* By name, since arm_neon.h has functions called vadd_u32 and vsub_u32 too. */
INLINE vf vfma(vf a, vf b, vf c) {
  __asm__("fmla %0.4s, %1.4s, %2.4s" : "+w"(c) : "w"(a), "w"(b));
  return c;
}
INLINE vf vfnma(vf a, vf b, vf c) {
  __asm__("fmls %0.4s, %1.4s, %2.4s" : "+w"(c) : "w"(a), "w"(b));
  return c;
}
#else
INLINE vf vfma(vf a, vf b, vf c) { return a * b + c; }
INLINE vf vfnma(vf a, vf b, vf c) { return c - a * b; }
#endif

INLINE vu vlt(vf a, vf b) { return (vu)(a < b); }
INLINE vu vle(vf a, vf b) { return (vu)(a <= b); }
INLINE vu veq(vf a, vf b) { return (vu)(a == b); }
INLINE vu vge_u32(vu a, vu b) { return (vu)(a >= b); }
#if defined(X86) && VLEN == 16
INLINE int vany(vu mask) { return _mm512_movepi32_mask((__m512i)mask) != 0; }
#elif defined(X86)
INLINE int vany(vu mask) { return X86(movemask_ps)(vfrom_bits(mask)) != 0; }
#else
INLINE int vany(vu mask) {
  uint32_t any = 0;
  for (int i = 0; i < VLEN; i++) any |= mask[i];
  return any != 0;
}
#endif
#if defined(X86) && VLEN < 16
INLINE vf vselect(vu mask, vf a, vf b) { return X86(blendv_ps)(b, a, vfrom_bits(mask)); }
#else
INLINE vf vselect(vu mask, vf a, vf b) { return vfrom_bits((mask & vbits(a)) | (~mask & vbits(b))); }
#endif
INLINE vf vkeep(vu mask, vf a) { return vfrom_bits(mask & vbits(a)); }
INLINE vf vdrop(vu mask, vf a) { return vfrom_bits(~mask & vbits(a)); }
#ifdef X86
INLINE vf vmin(vf a, vf b) { return X86(min_ps)(b, a); }
INLINE vf vmax(vf a, vf b) { return X86(max_ps)(b, a); }
#else
INLINE vf vmin(vf a, vf b) { return vselect(vlt(b, a), b, a); }
INLINE vf vmax(vf a, vf b) { return vselect(vlt(a, b), b, a); }
#endif
INLINE vf vconvert_i32(vu a) { return __builtin_convertvector((vi)a, vf); }
#if defined(X86)
typedef long long vu64 __attribute__((vector_size(4 * VLEN))); /* as the intrinsics have it; only ever shifted as unsigned */
typedef unsigned long long vu64_shifted __attribute__((vector_size(4 * VLEN)));
INLINE void vmul_wide_u32(vu a, vu b, vu *low, vu *high) {
  vu64 a_odd = (vu64)((vu64_shifted)a >> 32), b_odd = (vu64)((vu64_shifted)b >> 32);
  vu64 even = X86(mul_epu32)((vu64)a, (vu64)b), odd = X86(mul_epu32)(a_odd, b_odd);
  const int lower = 0xa0, upper = 0xf5; /* the lower and upper halves of products, twice each */
#if VLEN == 16
  *low = (vu)_mm512_mask_shuffle_epi32(even, 0xaaaa, odd, lower);
  *high = (vu)_mm512_mask_shuffle_epi32(odd, 0x5555, even, upper);
#elif VLEN == 8
  *low = (vu)_mm256_blend_epi32(even, _mm256_shuffle_epi32(odd, lower), 0xaa);
  *high = (vu)_mm256_blend_epi32(_mm256_shuffle_epi32(even, upper), odd, 0xaa);
#else
  *low = (vu)_mm_blend_epi16(even, _mm_shuffle_epi32(odd, lower), 0xcc);
  *high = (vu)_mm_blend_epi16(_mm_shuffle_epi32(even, upper), odd, 0xcc);
#endif
}
#else
INLINE void vmul_wide_u32(vu a, vu b, vu *low, vu *high) {
  for (int i = 0; i < VLEN; i++) (*high)[i] = (uint32_t)((uint64_t)a[i] * b[i] >> 32);
  *low = a * b;
}
#endif

#if VLEN == 16 && defined(X86)
INLINE float vsum(vf v) {
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return two[0] + two[1];
}
#else
INLINE float vsum(vf v) {
  float lanes[VLEN];
  for (int i = 0; i < VLEN; i++) lanes[i] = v[i];
  for (int half = VLEN / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}
#endif

typedef float v4 __attribute__((vector_size(16)));
typedef float v4_unaligned __attribute__((vector_size(16), aligned(4), may_alias));
INLINE v4 v4_load(const float *p) { return *(const v4_unaligned *)p; }
INLINE void v4_store(float *p, v4 v) { *(v4_unaligned *)p = v; }
#define V4_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif

/*
 * V8 has 15 vector registers, and half of the speed of a tile of sums is lost when it spills some. It schedules loads early unless each
 * row's load stands right before its multiply-adds and rows are stored in the order of the loop: KEEP_ORDER hides two values from LLVM's
 * reordering. Pointers, hidden so, keep the offsets of loads in the instructions; and V8 clears their upper halves in each iteration unless
 * they were read from memory: RELOAD.
 */
#ifdef __wasm__
#define KEEP_ORDER(x, y) __asm__ volatile("" : "+r"(x), "+r"(y)::"memory")
#define RELOAD(a, b)                                                                                                            \
  const float *volatile pointers[] = {a, b};                                                                                    \
  a = pointers[0], b = pointers[1]
#else
#define KEEP_ORDER(x, y)
#define RELOAD(a, b)
#endif

INLINE vf vzero(void) { return vset1(0.0f); }

/* x < limit ? 0 : a */
INLINE vf vdrop_below(vf x, float limit, vf a) {
#if VLEN == 16 && defined(X86)
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, vset1(limit), _CMP_NLT_UQ), a);
#else
  return vdrop(vlt(x, vset1(limit)), a);
#endif
}

/* The first n < VLEN floats of p, then zeros. */
INLINE vf vload_part(const float *p, int32_t n) {
#if VLEN == 16 && defined(X86)
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif VLEN == 8 && defined(X86)
  const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
  return _mm256_maskload_ps(p, (__m256i)(lane < n));
#else
  float lanes[VLEN] = {0};
  for (int32_t i = 0; i < n; i++) lanes[i] = p[i];
  return vload(lanes);
#endif
}
/* Writes the first n < VLEN lanes. */
INLINE void vstore_part(float *p, vf v, int32_t n) {
#if VLEN == 16 && defined(X86)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
#else
  float lanes[VLEN];
  vstore(lanes, v);
  for (int32_t i = 0; i < n; i++) p[i] = lanes[i];
#endif
}
/* The same for any n above 0: a whole vector from VLEN on. */
INLINE vf vload_upto(const float *p, int32_t n) { return n >= VLEN ? vload(p) : vload_part(p, n); }
INLINE void vstore_upto(float *p, vf v, int32_t n) {
  if (n >= VLEN) vstore(p, v);
  else vstore_part(p, v, n);
}
/* The largest lane. */
INLINE float vlargest(vf v) {
  float lanes[VLEN];
  vstore(lanes, v);
  float largest = lanes[0];
  for (int i = 1; i < VLEN; i++) largest = lanes[i] > largest ? lanes[i] : largest;
  return largest;
}
/* In each group of four lanes, turns four rows into columns. */
INLINE void vtranspose4(vf x[4]) {
#if VLEN == 4
  v4 ab_low = V4_SHUFFLE(x[0], x[1], 0, 4, 1, 5), ab_high = V4_SHUFFLE(x[0], x[1], 2, 6, 3, 7);
  v4 cd_low = V4_SHUFFLE(x[2], x[3], 0, 4, 1, 5), cd_high = V4_SHUFFLE(x[2], x[3], 2, 6, 3, 7);
  x[0] = V4_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5), x[1] = V4_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7);
  x[2] = V4_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5), x[3] = V4_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
#elif defined(X86)
  vf ab_low = X86(unpacklo_ps)(x[0], x[1]), ab_high = X86(unpackhi_ps)(x[0], x[1]);
  vf cd_low = X86(unpacklo_ps)(x[2], x[3]), cd_high = X86(unpackhi_ps)(x[2], x[3]);
  x[0] = X86(shuffle_ps)(ab_low, cd_low, 0x44), x[1] = X86(shuffle_ps)(ab_low, cd_low, 0xee);
  x[2] = X86(shuffle_ps)(ab_high, cd_high, 0x44), x[3] = X86(shuffle_ps)(ab_high, cd_high, 0xee);
#else
  vf rows[4] = {x[0], x[1], x[2], x[3]};
  for (int lane = 0; lane < VLEN; lane++)
    for (int i = 0; i < 4; i++) x[i][lane] = rows[lane % 4][lane / 4 * 4 + i];
#endif
}

/* Turns VLEN rows into columns. */
INLINE void vtranspose(vf x[VLEN]) {
#if VLEN == 4
  vtranspose4(x);
#elif defined(X86)
  for (int i = 0; i < VLEN; i += 4) vtranspose4(x + i);
  for (int i = 0; i < 4; i++) {
#if VLEN == 8
    vf low = x[i], high = x[i + 4];
    x[i] = _mm256_permute2f128_ps(low, high, 0x20), x[i + 4] = _mm256_permute2f128_ps(low, high, 0x31);
#else
    vf ab_even = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x88), ab_odd = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd);
    vf cd_even = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x88), cd_odd = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xdd);
    x[i] = _mm512_shuffle_f32x4(ab_even, cd_even, 0x88), x[i + 4] = _mm512_shuffle_f32x4(ab_odd, cd_odd, 0x88);
    x[i + 8] = _mm512_shuffle_f32x4(ab_even, cd_even, 0xdd), x[i + 12] = _mm512_shuffle_f32x4(ab_odd, cd_odd, 0xdd);
#endif
  }
#else
  vf rows[VLEN];
  for (int i = 0; i < VLEN; i++) rows[i] = x[i];
  for (int i = 0; i < VLEN; i++)
    for (int j = 0; j < VLEN; j++) x[i][j] = rows[j][i];
#endif
}

/* Writes the first n lanes, n being known when compiling. */
INLINE void vstore_lanes(float *p, vf v, const int n) {
  if (n == VLEN) {
    vstore(p, v);
    return;
  }
#if VLEN == 16 && defined(X86)
  vstore_part(p, v, n);
#elif VLEN == 8 && defined(X86)
  const int lower = n < 4 ? 0 : 4;
  v4 rest = lower ? _mm256_extractf128_ps(v, 1) : _mm256_castps256_ps128(v);
  if (lower) v4_store(p, _mm256_castps256_ps128(v));
  if (n & 2) _mm_storel_pi((__m64 *)(p + lower), rest);
  if (n & 1) p[n - 1] = rest[n & 2];
#else
  __builtin_memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

/* Copies n floats, n being known when compiling. */
INLINE void vcopy(float *to, const float *from, const int n) {
  int i = 0;
  for (; i + VLEN <= n; i += VLEN) vstore(to + i, vload(from + i));
#if VLEN == 16 && defined(X86)
  if (i < n) vstore_part(to + i, vload_part(from + i, n - i), n - i);
#else
  for (; i + 4 <= n; i += 4) v4_store(to + i, v4_load(from + i));
  for (; i + 2 <= n; i += 2) __builtin_memcpy(to + i, from + i, 2 * sizeof(float));
  for (; i < n; i++) to[i] = from[i];
#endif
}
#endif
