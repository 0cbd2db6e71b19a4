// linear and conv1d with bf16 activations and the bf16 mirror of their parameters, under emulation, against sums in double precision.
#include "cuda/kernel-table.h"
#include "harness.h"

namespace {

using namespace harness;

// Parameters in f32 with their mirror.
class Parameters {
 public:
  Parameters(TestContext& context, size_t weights, size_t biases, size_t lead)
      : lead_(lead), values_(lead + weights + biases), mirror_(values_.size()) {
    for (size_t i = 0; i < values_.size(); ++i) {
      mirror_[i] = fromFloat<bf16>(draw());
      values_[i] = toFloat(mirror_[i]);
    }
    weights_ = weights;
    context.setMirror(values_.data(), mirror_.data());
  }
  const float* weight() const { return values_.data() + lead_; }
  const float* bias() const { return weight() + weights_; }

 private:
  size_t lead_, weights_;
  std::vector<float> values_;
  std::vector<bf16> mirror_;
};

struct Shape {
  int32_t batch, inTime, inGroup, outGroup, kernel, stride, padding, groups;
  size_t lead;
};

// Calls visit(index in y, index in x, index in weight) for every product of the convolution.
template <typename Visit>
void eachProduct(const Shape& s, int32_t outTime, const Visit& visit) {
  const int32_t inChannels = s.inGroup * s.groups, outChannels = s.outGroup * s.groups;
  for (int32_t b = 0; b < s.batch; ++b)
    for (int32_t t = 0; t < outTime; ++t)
      for (int32_t o = 0; o < outChannels; ++o)
        for (int32_t tap = 0; tap < s.kernel; ++tap) {
          const int32_t time = t * s.stride - s.padding + tap;
          if (time < 0 || time >= s.inTime) continue;
          for (int32_t c = 0; c < s.inGroup; ++c) {
            visit(static_cast<size_t>((b * outTime + t) * outChannels + o),
                  static_cast<size_t>((b * s.inTime + time) * inChannels + o / s.outGroup * s.inGroup + c),
                  static_cast<size_t>((o * s.kernel + tap) * s.inGroup + c));
          }
        }
}

// A convolution; as a linear layer over batch * time rows where the window is one position.
void check(const Shape& s, bool asLinear) {
  TestContext context;
  const data2vec::CudaKernels& k = data2vec::cudaKernelsBf16;
  const int32_t inChannels = s.inGroup * s.groups, outChannels = s.outGroup * s.groups;
  const int32_t outTime = (s.inTime + 2 * s.padding - s.kernel) / s.stride + 1;
  const size_t weights = static_cast<size_t>(outChannels * s.kernel * s.inGroup), rows = static_cast<size_t>(s.batch * outTime);
  const Parameters parameters(context, weights, static_cast<size_t>(outChannels), s.lead);
  Buffer x(Element::bf16, static_cast<size_t>(s.batch * s.inTime * inChannels), s.lead), dx(Element::bf16, x.count(), s.lead);
  Buffer dy(Element::bf16, rows * static_cast<size_t>(outChannels), s.lead), y(Element::bf16, dy.count(), s.lead);
  Buffer dWeight(Element::f32, weights, s.lead), dBias(Element::f32, static_cast<size_t>(outChannels), s.lead);
  x.fillRandom(), dy.fillRandom(), dWeight.fillRandom(), dBias.fillRandom();

  std::vector<double> wantedY(y.count()), wantedDx(dx.count()), wantedDWeight(weights), wantedDBias(dBias.count());
  for (size_t i = 0; i < y.count(); ++i) wantedY[i] = parameters.bias()[i % dBias.count()];
  for (size_t i = 0; i < weights; ++i) wantedDWeight[i] = dWeight.get(i);
  for (size_t i = 0; i < dBias.count(); ++i) wantedDBias[i] = dBias.get(i);
  for (size_t i = 0; i < dy.count(); ++i) wantedDBias[i % dBias.count()] += dy.get(i);
  eachProduct(s, outTime, [&](size_t atY, size_t atX, size_t atWeight) {
    wantedY[atY] += static_cast<double>(x.get(atX)) * parameters.weight()[atWeight];
    wantedDx[atX] += static_cast<double>(dy.get(atY)) * parameters.weight()[atWeight];
    wantedDWeight[atWeight] += static_cast<double>(dy.get(atY)) * x.get(atX);
  });

  const auto floats = [](Buffer& buffer) { return static_cast<float*>(buffer.data()); };
  if (asLinear) {
    const auto count = static_cast<int32_t>(rows);
    k.linear(floats(y), floats(x), parameters.weight(), parameters.bias(), count, inChannels, outChannels);
    k.linear_grad_input(floats(dx), floats(dy), parameters.weight(), count, inChannels, outChannels);
    k.linear_grad_weight(floats(dWeight), floats(dBias), floats(dy), floats(x), count, inChannels, outChannels);
  } else {
    const auto sized = [&](auto kernel, auto... buffers) {
      kernel(buffers..., s.batch, s.inTime, inChannels, outChannels, s.kernel, s.stride, s.padding, s.groups);
    };
    sized(k.conv1d, floats(y), floats(x), parameters.weight(), parameters.bias());
    sized(k.conv1d_grad_input, floats(dx), floats(dy), parameters.weight());
    sized(k.conv1d_grad_weight, floats(dWeight), floats(dBias), floats(dy), floats(x));
  }
  const std::string name = std::string(asLinear ? "linear" : "conv1d") + " in " + std::to_string(inChannels) + " out " + std::to_string(outChannels) +
                           " kernel " + std::to_string(s.kernel) + " lead " + std::to_string(s.lead);
  y.expect(wantedY, largestOf(wantedY) / 256, name + " y");
  dx.expect(wantedDx, largestOf(wantedDx) / 256, name + " dx");
  dWeight.expect(wantedDWeight, 2e-6 * largestOf(wantedDWeight), name + " dWeight");
  dBias.expect(wantedDBias, 2e-6 * largestOf(wantedDBias), name + " dBias");
}

}  // namespace

int main() {
  check({4, 40, 24, 48, 1, 1, 0, 1, 0}, true);
  check({1, 19, 17, 5, 1, 1, 0, 1, 1}, true);
  check({3, 50, 16, 24, 3, 2, 0, 1, 0}, false);
  check({2, 33, 8, 16, 5, 1, 2, 4, 0}, false);
  check({2, 31, 3, 5, 7, 3, 4, 2, 0}, false);
  check({2, 61, 1, 16, 10, 5, 0, 1, 1}, false);
  return finish("the layers are right");
}
