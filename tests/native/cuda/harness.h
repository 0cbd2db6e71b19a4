// What the tests of kernels under emulation share: a context, guarded buffers of either element type at any alignment, and a tally of failures.
#ifndef DATA2VEC_TESTS_NATIVE_CUDA_HARNESS_H
#define DATA2VEC_TESTS_NATIVE_CUDA_HARNESS_H

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "cuda/bf16.h"
#include "cuda/gemm/gemm.h"

namespace harness {

using namespace data2vec::cuda;

inline int failures = 0;
inline void fail(const std::string& what) {
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

class TestContext : public Context {
 public:
  explicit TestContext(Precision wanted = Precision::f32) {
    precision = wanted;
    currentContext = this;
  }
  void* workspace(size_t bytes) override {
    scratch_.assign(bytes / sizeof(float) + 64, NAN);
    return scratch_.data();
  }
  // The mirror of the floats from `parameters` on, which are the only ones that have one.
  void setMirror(const float* parameters, bf16* mirror) {
    parameters_ = parameters;
    mirror_ = mirror;
  }
  void* mirrorOf(const void* parameter) const override {
    return mirror_ == nullptr ? nullptr : mirror_ + (static_cast<const float*>(parameter) - parameters_);
  }

 private:
  std::vector<float> scratch_;
  const float* parameters_ = nullptr;
  bf16* mirror_ = nullptr;
};

// In [-1, 1).
inline float draw() {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
}

// NaN at first, `lead` elements beyond a multiple of 64 bytes, with guards at both ends.
class Buffer {
 public:
  Buffer(Element element, size_t count, size_t lead)
      : element_(element), count_(count), bytes_((count + lead) * width() + 3 * kGuard, kGuardByte) {
    const auto address = reinterpret_cast<uintptr_t>(bytes_.data()) + kGuard;
    start_ = bytes_.data() + kGuard + (kGuard - address % kGuard) % kGuard + lead * width();
    for (size_t i = 0; i < count; ++i) set(i, NAN);
  }

  void* data() { return start_; }
  float* floats() { return reinterpret_cast<float*>(start_); }
  bf16* halves() { return reinterpret_cast<bf16*>(start_); }
  size_t count() const { return count_; }
  float get(size_t i) { return element_ == Element::bf16 ? toFloat(halves()[i]) : floats()[i]; }
  void set(size_t i, float value) {
    if (element_ == Element::bf16)
      halves()[i] = fromFloat<bf16>(value);
    else
      floats()[i] = value;
  }
  void fillRandom() {
    for (size_t i = 0; i < count_; ++i) set(i, draw());
  }

  // Fails unless each element is within `tolerance` of what is wanted and nothing lies outside. Returns the largest difference.
  double expect(const std::vector<double>& wanted, double tolerance, const std::string& name) {
    double worst = 0;
    for (size_t i = 0; i < count_; ++i) {
      const double difference = std::fabs(get(i) - wanted[i]);
      if (!(difference <= tolerance)) {
        fail(name + ": [" + std::to_string(i) + "] is " + std::to_string(get(i)) + ", expected " + std::to_string(wanted[i]));
        break;
      }
      worst = std::max(worst, difference);
    }
    const unsigned char* end = start_ + count_ * width();
    for (const unsigned char* p = bytes_.data(); p < bytes_.data() + bytes_.size(); ++p) {
      if ((p >= start_ && p < end) || *p == kGuardByte) continue;
      fail(name + ": written outside of the buffer");
      break;
    }
    return worst;
  }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr unsigned char kGuardByte = 0xa5;
  size_t width() const { return element_ == Element::bf16 ? 2 : 4; }

  Element element_;
  size_t count_;
  std::vector<unsigned char> bytes_;
  unsigned char* start_;
};

inline double largestOf(const std::vector<double>& values) {
  double largest = 0;
  for (double value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

// What main returns after the last test.
inline int finish(const char* success) {
  if (failures == 0) std::printf("%s\n", success);
  return failures == 0 ? 0 : 1;
}

}  // namespace harness

#endif
