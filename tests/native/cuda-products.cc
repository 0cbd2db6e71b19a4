// Products in every arithmetic, layout and alignment under emulation, against sums in double precision. Prints each failure.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuda/bf16.h"
#include "cuda/gemm/gemm.h"

namespace {

using namespace data2vec::cuda;

int failures = 0;

class TestContext : public Context {
 public:
  void* workspace(size_t bytes) override {
    scratch_.assign(bytes / sizeof(float) + 64, NAN);
    return scratch_.data();
  }

 private:
  std::vector<float> scratch_;
};

uint32_t state = 1;
float draw() {
  state = state * 1664525u + 1013904223u;
  return static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
}

// Elements of either type between guards, at an address that is `lead` elements beyond a multiple of 64 bytes.
struct Buffer {
  Element element;
  size_t count, lead;
  std::vector<unsigned char> bytes;
  static constexpr size_t guard = 64;

  Buffer(Element element, size_t count, size_t lead) : element(element), count(count), lead(lead), bytes(count * width() + 4 * guard, 0xa5) {}
  size_t width() const { return element == Element::bf16 ? 2 : 4; }
  unsigned char* start() {
    const auto address = reinterpret_cast<uintptr_t>(bytes.data()) + guard;
    return bytes.data() + guard + (64 - address % 64) % 64 + lead * width();
  }
  float get(size_t i) {
    return element == Element::bf16 ? toFloat(reinterpret_cast<bf16*>(start())[i]) : reinterpret_cast<float*>(start())[i];
  }
  void set(size_t i, float value) {
    if (element == Element::bf16)
      reinterpret_cast<bf16*>(start())[i] = fromFloat<bf16>(value);
    else
      reinterpret_cast<float*>(start())[i] = value;
  }
  void fillRandom() {
    for (size_t i = 0; i < count; ++i) set(i, draw());
  }
  bool guarded() {
    const unsigned char* first = start();
    const unsigned char* last = first + count * width();
    for (const unsigned char* p = bytes.data(); p < bytes.data() + bytes.size(); ++p)
      if ((p < first || p >= last) && *p != 0xa5) return false;
    return true;
  }
};

struct Shape {
  int32_t m, n, k, batch;
  bool aTransposed, bTransposed, accumulate, bias;
  size_t lead;
};

void check(const Shape& s, Element in, Element out, Precision precision, void (*run)(const Product&), const char* way) {
  TestContext own;
  own.precision = precision;
  currentContext = &own;
  const size_t batch = static_cast<size_t>(s.batch), m = static_cast<size_t>(s.m), n = static_cast<size_t>(s.n), k = static_cast<size_t>(s.k);
  Buffer a(in, batch * m * k, s.lead), b(in, batch * n * k, s.lead), c(out, batch * m * n, s.lead), bias(Element::f32, batch * n, 1);
  a.fillRandom(), b.fillRandom(), bias.fillRandom();
  for (size_t i = 0; i < c.count; ++i) c.set(i, s.accumulate ? draw() : NAN);
  std::vector<double> wanted(c.count);
  double largest = 0;
  for (size_t z = 0; z < batch; ++z)
    for (size_t i = 0; i < m; ++i)
      for (size_t j = 0; j < n; ++j) {
        double sum = (s.accumulate ? c.get((z * m + i) * n + j) : 0.0) + (s.bias ? bias.get(z * n + j) : 0.0);
        for (size_t d = 0; d < k; ++d)
          sum += static_cast<double>(a.get(z * m * k + (s.aTransposed ? d * m + i : i * k + d))) * b.get(z * n * k + (s.bTransposed ? d * n + j : j * k + d));
        wanted[(z * m + i) * n + j] = sum;
        largest = std::max(largest, std::fabs(sum));
      }
  Product p{"product", s.m, s.n, s.k, matrix(a.start(), s.aTransposed ? s.m : s.k), matrix(b.start(), s.bTransposed ? s.n : s.k), matrix(c.start(), s.n)};
  p.a.batchStep = static_cast<int64_t>(m * k), p.b.batchStep = static_cast<int64_t>(n * k), p.c.batchStep = static_cast<int64_t>(m * n);
  p.aTransposed = s.aTransposed, p.bTransposed = s.bTransposed, p.accumulate = s.accumulate, p.batch = s.batch;
  p.in = in, p.out = out;
  p.bias = s.bias ? reinterpret_cast<float*>(bias.start()) : nullptr;
  run(p);
  // Half a unit of the result's last place; of tf32 operands half a unit of eleven bits each, of which the sum has the square root.
  double tolerance = 2e-6 * largest;
  if (out == Element::bf16) tolerance = largest / 256;
  if (precision == Precision::tf32) tolerance = std::sqrt(static_cast<double>(k)) * 0x1p-11;
  const std::string name = std::string(way) + " m " + std::to_string(m) + " n " + std::to_string(n) + " k " + std::to_string(k) + " batch " +
                           std::to_string(batch) + " lead " + std::to_string(s.lead) + (s.aTransposed ? " aT" : "") + (s.bTransposed ? " bT" : "");
  double worst = 0;
  for (size_t i = 0; i < c.count; ++i) {
    const double difference = std::fabs(c.get(i) - wanted[i]);
    worst = std::max(worst, difference);
    if (difference <= tolerance) continue;
    std::printf("failed: %s: [%zu] is %g, expected %g\n", name.c_str(), i, static_cast<double>(c.get(i)), wanted[i]);
    ++failures;
    break;
  }
  if (precision == Precision::tf32 && worst < 1e-7 * largest && k > 8) std::printf("failed: %s: no sign of tf32\n", name.c_str()), ++failures;
  if (!c.guarded()) std::printf("failed: %s: written outside of the buffer\n", name.c_str()), ++failures;
}

}  // namespace

int main() {
  const Shape shapes[] = {
      {128, 128, 64, 1, false, false, false, true, 0}, {130, 136, 40, 2, false, false, false, true, 0}, {65, 24, 32, 1, false, false, true, false, 0},
      {17, 9, 15, 2, false, false, false, true, 1},    {3, 5, 1, 1, false, false, false, false, 0},     {1, 1, 200, 1, false, false, true, true, 3},
      {64, 256, 72, 1, false, true, false, true, 0},   {33, 31, 29, 1, false, true, true, false, 1},    {144, 16, 600, 1, false, true, false, true, 0},
      {136, 160, 40, 2, true, true, true, false, 0},   {24, 40, 1000, 1, true, true, true, true, 0},    {29, 37, 700, 2, true, true, true, false, 2},
      {8, 8, 0, 1, true, true, true, false, 0},        {128, 8, 100, 3, true, true, false, true, 0},
  };
  for (const Shape& s : shapes) {
    check(s, Element::f32, Element::f32, Precision::f32, gemmSimple, "simple f32");
    check(s, Element::bf16, Element::bf16, Precision::bf16, gemmSimple, "simple bf16");
    check(s, Element::f32, Element::f32, Precision::f32, gemmTensorCores, "f32");
    check(s, Element::f32, Element::f32, Precision::tf32, gemmTensorCores, "tf32");
    check(s, Element::bf16, Element::bf16, Precision::bf16, gemmTensorCores, "bf16");
    check(s, Element::bf16, Element::f32, Precision::bf16, gemmTensorCores, "bf16 to f32");
  }
  if (failures == 0) std::printf("the products are right\n");
  return failures == 0 ? 0 : 1;
}
