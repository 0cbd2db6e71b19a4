// Products in every arithmetic, layout and alignment under emulation, against sums in double precision.
#include <cstdlib>

#include "harness.h"

namespace {

using namespace harness;

struct Shape {
  int32_t m, n, k, batch;
  bool aTransposed, bTransposed, accumulate, bias;
  size_t lead;
};

void check(const Shape& s, Element in, Element out, Precision precision, void (*run)(const Product&), const char* way) {
  TestContext context(precision);
  const auto batch = static_cast<size_t>(s.batch), m = static_cast<size_t>(s.m), n = static_cast<size_t>(s.n), k = static_cast<size_t>(s.k);
  Buffer a(in, batch * m * k, s.lead), b(in, batch * n * k, s.lead), c(out, batch * m * n, s.lead);
  Buffer bias(Element::f32, batch * n, 1), mirror(Element::bf16, batch * n, 1);
  a.fillRandom(), b.fillRandom(), mirror.fillRandom();
  for (size_t i = 0; i < bias.count(); ++i) bias.set(i, mirror.get(i));
  if (s.accumulate) c.fillRandom();
  std::vector<double> wanted(c.count());
  for (size_t z = 0; z < batch; ++z) {
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < n; ++j) {
        double sum = (s.accumulate ? c.get((z * m + i) * n + j) : 0.0) + (s.bias ? bias.get(z * n + j) : 0.0);
        for (size_t d = 0; d < k; ++d) {
          const double left = a.get(z * m * k + (s.aTransposed ? d * m + i : i * k + d));
          sum += left * b.get(z * n * k + (s.bTransposed ? d * n + j : j * k + d));
        }
        wanted[(z * m + i) * n + j] = sum;
      }
    }
  }
  Product p{"product", s.m, s.n, s.k, {}, {}, matrix(c.data(), s.n)};
  p.a = matrix(a.data(), s.aTransposed ? s.m : s.k), p.b = matrix(b.data(), s.bTransposed ? s.n : s.k);
  p.a.batchStep = static_cast<int64_t>(m * k), p.b.batchStep = static_cast<int64_t>(n * k), p.c.batchStep = static_cast<int64_t>(m * n);
  p.aTransposed = s.aTransposed, p.bTransposed = s.bTransposed, p.accumulate = s.accumulate, p.batch = s.batch;
  p.in = in, p.out = out;
  p.bias = s.bias ? bias.floats() : nullptr;
  p.biasMirror = mirror.data();
  run(p);

  // Half a unit of the last place of the result; of tf32 operands one of eleven bits in each, whose sum grows with the root of their number.
  const double largest = largestOf(wanted);
  double tolerance = 2e-6 * largest;
  if (out == Element::bf16) tolerance = largest / 256;
  if (precision == Precision::tf32) tolerance = std::sqrt(static_cast<double>(k)) * 0x1p-11;
  const std::string name = std::string(way) + " m " + std::to_string(m) + " n " + std::to_string(n) + " k " + std::to_string(k) + " batch " +
                           std::to_string(batch) + " lead " + std::to_string(s.lead) + (s.aTransposed ? " aT" : "") + (s.bTransposed ? " bT" : "");
  const double worst = c.expect(wanted, tolerance, name);
  if (precision == Precision::tf32 && k > 8 && worst < 2e-6 * largest) fail(name + ": no sign of tf32");
}

void checkDivisor() {
  for (int32_t divisor : {1, 2, 3, 5, 7, 10, 64, 149, 768, 799, 65535, 65536, 65537, 2147483647}) {
    const Divisor by(divisor);
    const auto expectAt = [&](int64_t n) {
      if (n < 0 || n > INT32_MAX) return;
      int32_t quotient, rest;
      by.divide(static_cast<int32_t>(n), quotient, rest);
      if (quotient != n / divisor || rest != n % divisor) fail(std::to_string(n) + " by " + std::to_string(divisor));
    };
    for (int64_t n = 0; n < 1000; ++n) expectAt(n), expectAt(INT32_MAX - n);
    for (int64_t n = divisor; n <= INT32_MAX; n += 1 + n / 3)
      for (int64_t beside : {-1, 0, 1}) expectAt(n / divisor * divisor + beside);
  }
}

void byLibrary(const Product& p) {
  if (!gemmLibrary(p)) fail("the library did not compute a product");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return std::printf("expected the folder of the library's stand-in\n"), 1;
  setenv("DATA2VEC_CUDA_LIBS", arguments[1], 1);
  const Shape shapes[] = {
      {128, 128, 64, 1, false, false, false, true, 0}, {130, 136, 40, 2, false, false, false, true, 0}, {65, 24, 32, 1, false, false, true, false, 0},
      {17, 9, 15, 2, false, false, false, true, 1},    {3, 5, 1, 1, false, false, false, false, 0},     {1, 1, 200, 1, false, false, true, true, 3},
      {64, 256, 72, 1, false, true, false, true, 0},   {33, 31, 29, 1, false, true, true, false, 1},    {144, 16, 600, 1, false, true, false, true, 0},
      {136, 160, 40, 2, true, true, true, false, 0},   {24, 40, 1000, 1, true, true, true, true, 0},    {29, 37, 700, 2, true, true, true, false, 2},
      {8, 8, 0, 1, true, true, true, false, 0},        {128, 8, 100, 3, true, true, false, true, 0},
  };
  for (const Shape& s : shapes) {
    check(s, Element::f32, Element::f32, Precision::f32, gemmSimple, "simple f32");
    check(s, Element::bf16, Element::bf16, Precision::f32, gemmSimple, "simple bf16");
    check(s, Element::f32, Element::f32, Precision::f32, gemmTensorCores, "f32");
    check(s, Element::f32, Element::f32, Precision::tf32, gemmTensorCores, "tf32");
    check(s, Element::bf16, Element::bf16, Precision::f32, gemmTensorCores, "bf16");
    check(s, Element::bf16, Element::f32, Precision::f32, gemmTensorCores, "bf16 to f32");
    if (s.k == 0 || s.batch > 1) continue;
    check(s, Element::f32, Element::f32, Precision::f32, byLibrary, "library f32");
    check(s, Element::bf16, Element::bf16, Precision::f32, byLibrary, "library bf16");
    check(s, Element::bf16, Element::f32, Precision::f32, byLibrary, "library bf16 to f32");
  }
  checkDivisor();
  const std::string name = gemmLibraryName();
  if (name.rfind("cuBLASLt 13.0 (", 0) != 0) fail("the library's name: " + name);
  return finish("the products are right");
}
