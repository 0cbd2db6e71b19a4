// The convolution over time and its gradients, as products whose operands are windows that are never copied out.
#include <algorithm>

#include "cuda/gemm/gemm.h"
#include "cuda/kernels/elements.h"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

struct Sizes {
  int32_t batch, inTime, inChannels, outChannels, kernel, stride, padding, groups;

  int32_t inGroup() const { return inChannels / groups; }
  int32_t outGroup() const { return outChannels / groups; }
  // Weights of one channel of y.
  int32_t depth() const { return kernel * inGroup(); }
  int32_t outTime() const { return inTime + 2 * padding < kernel ? 0 : (inTime + 2 * padding - kernel) / stride + 1; }
};

// Row (b, t), column (tap, channel): what the window of y at t sees. A group to each product of the batch.
template <typename T>
View windowsOf(const T* x, const Sizes& s) {
  View view = matrix(x - static_cast<int64_t>(s.padding) * s.inChannels, static_cast<int64_t>(s.stride) * s.inChannels);
  view.batchStep = s.inGroup();
  view.rowBlock = Divisor(s.outTime());
  view.blockStep = static_cast<int64_t>(s.inTime) * s.inChannels;
  view.columnBlock = Divisor(s.inGroup());
  view.columnStep = s.inChannels;
  view.timeFirst = -s.padding;
  view.rowTime = s.stride;
  view.columnTime = 1;
  view.times = s.inTime;
  return view;
}

// [rows][outChannels], a group to each product of the batch.
View outputOf(const void* y, const Sizes& s) {
  View view = matrix(y, s.outChannels);
  view.batchStep = s.outGroup();
  return view;
}

View weightsOf(const void* weight, const Sizes& s) {
  View view = matrix(weight, s.depth());
  view.batchStep = static_cast<int64_t>(s.outGroup()) * s.depth();
  return view;
}

/*
 * The gradient of x at those positions that have the same rest when `padding` is added and divided by the stride: position stride q + rest -
 * padding was seen by the windows q - j through the taps rest + stride j. So it is a convolution of dy with every stride-th tap, backwards.
 */
template <typename T>
void gradInputOfRest(T* dx, const T* dy, const T* weight, const Sizes& s, int32_t rest) {
  const auto firstAbove = [&s](int32_t n) { return n <= 0 ? 0 : (n + s.stride - 1) / s.stride; };
  const int32_t first = firstAbove(s.padding - rest), end = firstAbove(s.inTime + s.padding - rest), positions = end - first;
  const int32_t taps = rest < s.kernel ? (s.kernel - rest - 1) / s.stride + 1 : 0;
  if (positions <= 0) return;
  Product p{"conv1d_grad_input", s.batch * positions, s.inGroup(), taps * s.outGroup(), {}, {}, {}};
  p.in = p.out = elementOf<T>;
  p.bTransposed = true;
  p.batch = s.groups;

  p.a = matrix(dy + static_cast<int64_t>(first) * s.outChannels, s.outChannels);
  p.a.batchStep = s.outGroup();
  p.a.rowBlock = Divisor(positions);
  p.a.blockStep = static_cast<int64_t>(s.outTime()) * s.outChannels;
  p.a.columnBlock = Divisor(s.outGroup());
  p.a.columnStep = -s.outChannels;
  p.a.timeFirst = first;
  p.a.rowTime = 1;
  p.a.columnTime = -1;
  p.a.times = s.outTime();

  // Row (j, channel of y), column channel of x.
  p.b = matrix(weight + static_cast<int64_t>(rest) * s.inGroup(), s.depth());
  p.b.batchStep = static_cast<int64_t>(s.outGroup()) * s.depth();
  p.b.rowBlock = Divisor(s.outGroup());
  p.b.blockStep = static_cast<int64_t>(s.stride) * s.inGroup();

  const int64_t firstPosition = static_cast<int64_t>(s.stride) * first + rest - s.padding;
  p.c = matrix(dx + firstPosition * s.inChannels, static_cast<int64_t>(s.stride) * s.inChannels);
  p.c.batchStep = s.inGroup();
  p.c.rowBlock = Divisor(positions);
  p.c.blockStep = static_cast<int64_t>(s.inTime) * s.inChannels;
  gemm(p);
}

}  // namespace

template <typename T>
void conv1d(T* y, const T* x, const float* weight, const float* bias, int32_t batch, int32_t in_time, int32_t in_channels,
            int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups) {
  const char* op = "conv1d";
  const Sizes s{batch, in_time, in_channels, out_channels, kernel, stride, padding, groups};
  if (batch == 0 || s.outTime() == 0) return;
  Product p{op, batch * s.outTime(), s.outGroup(), s.depth(), windowsOf(x, s), weightsOf(operandOf<T>(op, weight), s), outputOf(y, s)};
  p.in = p.out = elementOf<T>;
  p.bias = bias;
  p.batch = groups;
  gemm(p);
}
DATA2VEC_FOR_EACH_TYPE(conv1d)

template <typename T>
void conv1d_grad_input(T* dx, const T* dy, const float* weight, int32_t batch, int32_t in_time, int32_t in_channels, int32_t out_channels,
                       int32_t kernel, int32_t stride, int32_t padding, int32_t groups) {
  const Sizes s{batch, in_time, in_channels, out_channels, kernel, stride, padding, groups};
  if (batch == 0) return;
  const T* operand = operandOf<T>("conv1d_grad_input", weight);
  for (int32_t rest = 0; rest < stride; ++rest) gradInputOfRest(dx, dy, operand, s, rest);
}
DATA2VEC_FOR_EACH_TYPE(conv1d_grad_input)

template <typename T>
void conv1d_grad_weight(float* d_weight, float* d_bias, const T* dy, const T* x, int32_t batch, int32_t in_time, int32_t in_channels,
                        int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups) {
  const char* op = "conv1d_grad_weight";
  const Sizes s{batch, in_time, in_channels, out_channels, kernel, stride, padding, groups};
  const int32_t rows = batch * s.outTime();
  if (rows == 0) return;
  Product p{op, s.outGroup(), s.depth(), rows, outputOf(dy, s), windowsOf(x, s), weightsOf(d_weight, s)};
  p.in = elementOf<T>;
  p.aTransposed = p.bTransposed = true;
  p.accumulate = true;
  p.batch = groups;
  gemm(p);
  if (d_bias != nullptr) addColumnSums(op, d_bias, dy, elementOf<T>, rows, out_channels);
}
DATA2VEC_FOR_EACH_TYPE(conv1d_grad_weight)

}  // namespace data2vec::cuda
