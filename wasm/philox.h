/* Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), numbered as include/kernels.h says. */
#ifndef DATA2VEC_PHILOX_H
#define DATA2VEC_PHILOX_H
#include "simd.h"

/* out[4] = Philox4x32-10 of `counter` under `key`. */
INLINE void philox4x32(uint32_t *out, const uint32_t *counter, const uint32_t *key) {
  uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xd2511f53u * a, q = (uint64_t)0xcd9e8d57u * c;
    a = (uint32_t)(q >> 32) ^ b ^ k0;
    b = (uint32_t)q;
    c = (uint32_t)(p >> 32) ^ d ^ k1;
    d = (uint32_t)p;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  out[0] = a, out[1] = b, out[2] = c, out[3] = d;
}

/* The four words of VLEN blocks, one in each lane. */
INLINE void philox_words(vu words[4], const uint32_t *rng, uint32_t sample, uint32_t purpose, vu blocks) {
  vu a = blocks, b = vset1_u32(sample + rng[3]), c = vset1_u32(rng[2]), d = vset1_u32(purpose);
  uint32_t k0 = rng[0], k1 = rng[1];
  for (int round = 0; round < 10; round++) {
    vu p_low, p_high, q_low, q_high;
    vmul_wide_u32(vset1_u32(0xd2511f53u), a, &p_low, &p_high);
    vmul_wide_u32(vset1_u32(0xcd9e8d57u), c, &q_low, &q_high);
    a = vxor(vxor(q_high, b), vset1_u32(k0));
    b = q_low;
    c = vxor(vxor(p_high, d), vset1_u32(k1));
    d = p_low;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}

/* VLEN consecutive blocks at once: the four words of block i go to out[4 * i ..]. */
INLINE void philox_vector(uint32_t *out, const uint32_t *rng, uint32_t sample, uint32_t purpose, uint32_t block) {
  static const uint32_t lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  vu bits[4];
  philox_words(bits, rng, sample, purpose, vadd_u32(vset1_u32(block), vload_u32(lane)));
  /* Words of four blocks side by side, in each group of lanes for four other blocks. */
  vf words[4] = {vfrom_bits(bits[0]), vfrom_bits(bits[1]), vfrom_bits(bits[2]), vfrom_bits(bits[3])};
  vtranspose4(words);
  for (int i = 0; i < 4; i++)
    for (int group = 0; group < VLEN; group += 4) __builtin_memcpy(out + 4 * (group + i), (char *)&words[i] + 4 * group, 16);
}

/* The random bits of elements 4 * block .. 4 * (block + blocks) - 1 of a sample. */
NOINLINE void philox_bits(uint32_t *out, const uint32_t *rng, uint32_t sample, uint32_t purpose, uint32_t block, int32_t blocks) {
  int32_t i = 0;
  for (; i + VLEN <= blocks; i += VLEN) philox_vector(out + 4 * i, rng, sample, purpose, block + (uint32_t)i);
  for (; i < blocks; i++) {
    uint32_t counter[4] = {block + (uint32_t)i, sample + rng[3], rng[2], purpose};
    philox4x32(out + 4 * i, counter, rng);
  }
}

/* An element is kept when its bits are at least this. */
INLINE uint32_t drop_threshold(float probability) {
  float scaled = probability * 0x1p32f;
  return scaled >= 0x1p32f ? 0xffffffffu : (uint32_t)scaled;
}

/* 1 / (1 - probability) when element 0 of the sample is kept, else 0: drop path. */
INLINE float sample_keep(const uint32_t *rng, uint32_t sample, float probability, uint32_t purpose) {
  if (probability <= 0) return 1.0f;
  uint32_t bits[4];
  philox_bits(bits, rng, sample, purpose, 0, 1);
  return bits[0] >= drop_threshold(probability) ? 1.0f / (1.0f - probability) : 0.0f;
}
#endif
