// Attention and its gradient in every arithmetic and alignment under emulation, against sums in double precision. Dropout is left to tests/ops.
#include "cuda/kernel-table.h"
#include "harness.h"

namespace {

using namespace harness;

struct Shape {
  size_t batch, tokens, heads, headDim;
  bool bias;
  std::vector<int32_t> lengths;
  size_t lead;
  bool alibi = false;

  // Of some tokens none.
  int32_t position(size_t b, size_t token) const { return static_cast<int32_t>((b * 31 + token * 17) % 97) - 3; }
  float slope(size_t h) const { return 0.25f / static_cast<float>(h + 1); }
  double distance(size_t b, size_t i, size_t j) const {
    const int32_t from = position(b, i), to = position(b, j);
    return !alibi || from < 0 || to < 0 ? 0 : std::abs(from - to);
  }
};

struct Wanted {
  std::vector<double> out, logSumExp, dQkv, dBias, dSlopes;
};

Wanted attend(const Shape& s, Buffer& qkv, Buffer& bias, Buffer& dOut) {
  const size_t n = s.tokens, width = s.heads * s.headDim;
  Wanted w{std::vector<double>(s.batch * n * width), std::vector<double>(s.batch * s.heads * n), std::vector<double>(3 * s.batch * n * width),
           std::vector<double>(s.bias ? s.heads * n * n : 0), std::vector<double>(s.heads)};
  const double scale = 1 / std::sqrt(static_cast<double>(s.headDim));
  for (size_t b = 0; b < s.batch; ++b) {
    const size_t keys = s.lengths.empty() ? n : static_cast<size_t>(s.lengths[b]);
    for (size_t h = 0; h < s.heads; ++h) {
      const auto at = [&](size_t token, size_t part) { return ((b * n + token) * 3 + part) * width + h * s.headDim; };
      for (size_t i = 0; i < n; ++i) {
        const size_t row = (b * n + i) * width + h * s.headDim;
        std::vector<double> p(keys), dp(keys);
        double total = 0, delta = 0;
        for (size_t j = 0; j < keys; ++j) {
          double dot = 0;
          for (size_t d = 0; d < s.headDim; ++d) {
            dot += static_cast<double>(qkv.get(at(i, 0) + d)) * qkv.get(at(j, 1) + d);
            dp[j] += static_cast<double>(dOut.get(row + d)) * qkv.get(at(j, 2) + d);
          }
          total += p[j] = std::exp(dot * scale + (s.bias ? bias.get((h * n + i) * n + j) : 0.0) - s.slope(h) * s.distance(b, i, j));
        }
        w.logSumExp[(b * s.heads + h) * n + i] = std::log(total);
        for (size_t j = 0; j < keys; ++j) delta += (p[j] /= total) * dp[j];
        for (size_t j = 0; j < keys; ++j) {
          const double dLogit = p[j] * (dp[j] - delta);
          w.dSlopes[h] -= dLogit * s.distance(b, i, j);
          if (s.bias) w.dBias[(h * n + i) * n + j] += dLogit;
          for (size_t d = 0; d < s.headDim; ++d) {
            w.out[row + d] += p[j] * qkv.get(at(j, 2) + d);
            w.dQkv[at(i, 0) + d] += scale * dLogit * qkv.get(at(j, 1) + d);
            w.dQkv[at(j, 1) + d] += scale * dLogit * qkv.get(at(i, 0) + d);
            w.dQkv[at(j, 2) + d] += p[j] * dOut.get(row + d);
          }
        }
      }
    }
  }
  return w;
}

void check(const Shape& s, Element element, Precision precision, const char* arithmetic) {
  TestContext context(precision);
  const bool halves = element == Element::bf16;
  const data2vec::CudaKernels& k = halves ? data2vec::cudaKernelsBf16 : data2vec::cudaKernelsF32;
  const size_t n = s.tokens, rows = s.batch * n * s.heads * s.headDim;
  Buffer qkv(element, 3 * rows, s.lead), dOut(element, rows, s.lead), out(element, rows, s.lead), dQkv(element, 3 * rows, s.lead);
  Buffer bias(Element::f32, s.heads * n * n, 1), dBias(Element::f32, s.heads * n * n, 1), logSumExp(Element::f32, s.batch * s.heads * n, 1);
  Buffer slopes(Element::f32, s.heads, 1), dSlopes(Element::f32, s.heads, 1);
  std::vector<int32_t> positions;
  for (size_t b = 0; b < s.batch; ++b) for (size_t token = 0; token < n; ++token) positions.push_back(s.position(b, token));
  for (size_t h = 0; h < s.heads; ++h) slopes.set(h, s.slope(h)), dSlopes.set(h, 0);
  qkv.fillRandom(), dOut.fillRandom(), bias.fillRandom();
  for (size_t i = 0; i < dBias.count(); ++i) dBias.set(i, 0);
  const Wanted wanted = attend(s, qkv, bias, dOut);
  const auto ofInt = [](size_t value) { return static_cast<int32_t>(value); };
  const auto* x = static_cast<const float*>(qkv.data());
  const float* biases = s.bias ? bias.floats() : nullptr;
  const float* steep = s.alibi ? slopes.floats() : nullptr;
  const int32_t* lengths = s.lengths.empty() ? nullptr : s.lengths.data();
  k.attention(static_cast<float*>(out.data()), logSumExp.floats(), x, biases, steep, positions.data(), lengths, nullptr, ofInt(s.batch),
              ofInt(n), ofInt(s.heads), ofInt(s.headDim), 0, 0);
  k.attention_grad(static_cast<float*>(dQkv.data()), s.bias ? dBias.floats() : nullptr, s.alibi ? dSlopes.floats() : nullptr,
                   static_cast<float*>(dOut.data()), static_cast<float*>(out.data()), logSumExp.floats(), x, biases, steep, positions.data(),
                   lengths, nullptr, ofInt(s.batch), ofInt(n), ofInt(s.heads), ofInt(s.headDim), 0, 0);

  const std::string name = std::string(arithmetic) + " tokens " + std::to_string(n) + " head_dim " + std::to_string(s.headDim) + " lead " +
                           std::to_string(s.lead);
  // A result is rounded once, and its weights before it, whose errors mostly cancel; gradients pass two products more.
  const double unit = halves ? 0x1p-8 : precision == Precision::f32 ? 2e-6 : 0x1p-11;
  out.expect(wanted.out, 1.5 * unit * largestOf(wanted.out), name + " out");
  const double worst = logSumExp.expect(wanted.logSumExp, unit, name + " logSumExp");
  if (precision == Precision::tf32 && worst < 1e-6) fail(name + ": no sign of tf32");
  dQkv.expect(wanted.dQkv, 2 * unit * largestOf(wanted.dQkv), name + " dQkv");
  // Its terms are weighted with distances and mostly cancel, the roundings of queries as random numbers do.
  double roundings = 0;
  for (size_t e = 0; e < wanted.out.size(); ++e) roundings += std::pow(wanted.out[e] * dOut.get(e), 2);
  if (s.alibi) dSlopes.expect(wanted.dSlopes, 2 * unit * 97 * std::sqrt(roundings), name + " dSlopes");
  if (s.bias) dBias.expect(wanted.dBias, 2 * unit * largestOf(wanted.dBias), name + " dBias");
}

}  // namespace

int main() {
  const Shape shapes[] = {
      {2, 70, 2, 64, true, {}, 0}, {3, 33, 1, 32, true, {33, 5, 17}, 0}, {1, 130, 1, 80, false, {}, 0}, {2, 67, 1, 128, true, {40, 67}, 0},
      {2, 40, 2, 48, false, {}, 0}, {2, 37, 1, 20, true, {20, 37}, 1},   {1, 66, 1, 64, true, {}, 3},   {1, 1, 1, 16, false, {}, 0},
      {2, 70, 2, 64, true, {70, 45}, 0, true}, {1, 37, 3, 20, false, {}, 1, true},
      // The gradient of the bias in two parts of the batch, and in three, whose last one is short.
      {8, 20, 2, 16, true, {20, 3, 1, 17, 20, 8, 2, 19}, 0}, {13, 40, 1, 32, true, {40, 3, 33, 17, 40, 8, 2, 19, 40, 35, 32, 31, 40}, 0},
  };
  for (const Shape& s : shapes) {
    check(s, Element::f32, Precision::f32, "f32");
    check(s, Element::f32, Precision::tf32, "tf32");
    check(s, Element::bf16, Precision::f32, "bf16");
  }
  return finish("attention is right");
}
