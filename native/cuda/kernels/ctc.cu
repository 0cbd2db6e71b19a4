// ctc: connectionist temporal classification, loss and gradient, in double precision log space: one block for each sample.
#include "cuda/bf16.h"
#include "cuda/typed-kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct Ctc {
  T* dLogits;
  const T* logits;
  const int32_t *targets, *targetLengths, *frameLengths;
  const float* normalizer;
  double* logSums;       // [batch][time]: of exp(logits)
  double* alpha;         // [batch][time][states]: of all beginnings that are in a state at a frame, its emission included
  double* beta;          // [batch][2][states]: of all endings from there, without; a frame and the one before
  double* occupancy;     // [batch][states]: how likely a path through the target is in a state at a frame
  double* losses;        // [batch]
  int32_t* impossible;   // [batch]
  int32_t* following;    // [batch][max_target]: the next label of the same class, or -1
  int32_t* leads;        // [batch][max_target]: whether no label before has the same class
  int32_t time, classes, maxTarget, blank;

  __host__ __device__ int32_t states() const { return 2 * maxTarget + 1; }
};

__device__ inline double minusInfinity() { return -HUGE_VAL; }

// ln(e^a + e^b + e^c); a NaN goes on.
__device__ inline double logSum(double a, double b, double c) {
  const double largest = fmax(a, fmax(b, c));
  if (largest == minusInfinity()) return a + b + c;
  return largest + log(exp(a - largest) + exp(b - largest) + exp(c - largest));
}

template <typename T>
struct LogSumRow {
  double* logSums;
  const T* logits;
  int32_t classes;

  __device__ void operator()(int32_t row) const {
    const T* x = logits + static_cast<size_t>(row) * classes;
    float largest = toFloat(x[0]);
    for (int32_t c = laneId(); c < classes; c += 32) largest = fmaxf(largest, toFloat(x[c]));
    largest = warpLargest(largest);
    double sum = 0;
    for (int32_t c = laneId(); c < classes; c += 32) sum += exp(static_cast<double>(toFloat(x[c])) - largest);
    sum = warpSum(sum);
    if (laneId() == 0) logSums[row] = largest + log(sum);
  }
};

// A sample: its states are the labels with a blank before, between and after them.
template <typename T>
struct CtcSample {
  const T* logits;
  const int32_t* target;
  const double* logSums;
  int32_t frames, labels, states, classes, blank;

  __device__ CtcSample(const Ctc<T>& a, int32_t b)
      : logits(a.logits + static_cast<size_t>(b) * a.time * a.classes),
        target(a.targets + static_cast<size_t>(b) * a.maxTarget),
        logSums(a.logSums + static_cast<size_t>(b) * a.time),
        frames(max(0, min(a.time, a.frameLengths == nullptr ? a.time : a.frameLengths[b]))),
        labels(max(0, min(a.maxTarget, a.targetLengths[b]))),
        states(2 * labels + 1),
        classes(a.classes),
        blank(a.blank) {}

  __device__ int32_t classOf(int32_t s) const { return s % 2 != 0 ? target[s / 2] : blank; }
  __device__ double logProbability(int32_t t, int32_t c) const { return static_cast<double>(toFloat(logits[static_cast<size_t>(t) * classes + c])) - logSums[t]; }
  // Whether a path may go from state s - 2 to s: over a blank, unless it parts two equal labels.
  __device__ bool skips(int32_t s) const { return s >= 2 && classOf(s) != blank && classOf(s) != classOf(s - 2); }
};

// Chains the labels of each class, so that their occupancies can be added in order.
template <typename T>
__device__ void chainLabels(const Ctc<T>& a, const CtcSample<T>& sample, int32_t b) {
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < sample.labels; i += kThreads) {
    int32_t next = -1, leads = sample.target[i] == sample.blank ? 0 : 1;
    for (int32_t j = 0; j < i; ++j) {
      if (sample.target[j] == sample.target[i]) leads = 0;
    }
    for (int32_t j = sample.labels - 1; j > i; --j) {
      if (sample.target[j] == sample.target[i]) next = j;
    }
    a.following[static_cast<size_t>(b) * a.maxTarget + i] = next;
    a.leads[static_cast<size_t>(b) * a.maxTarget + i] = leads;
  }
}

// The gradient of one frame from the occupancies of the states; all threads of the block.
template <typename T>
__device__ void writeFrame(const Ctc<T>& a, const CtcSample<T>& sample, int32_t b, int32_t t, const double* occupancy) {
  const int32_t thread = static_cast<int32_t>(threadIdx.x);
  T* d = a.dLogits + (static_cast<size_t>(b) * a.time + t) * a.classes;
  const double divisor = a.normalizer[0];
  double blanks = 0;
  for (int32_t s = thread; s < sample.states; s += kThreads) {
    if (sample.classOf(s) == sample.blank) blanks += occupancy[s];
  }
  blanks = blockSum(blanks);
  for (int32_t c = thread; c < sample.classes; c += kThreads) {
    d[c] = fromFloat<T>(static_cast<float>((exp(sample.logProbability(t, c)) - (c == sample.blank ? blanks : 0.0)) / divisor));
  }
  __syncthreads();
  for (int32_t i = thread; i < sample.labels; i += kThreads) {
    if (a.leads[static_cast<size_t>(b) * a.maxTarget + i] == 0) continue;
    double sum = 0;
    for (int32_t j = i; j >= 0; j = a.following[static_cast<size_t>(b) * a.maxTarget + j]) sum += occupancy[2 * j + 1];
    const int32_t c = sample.target[i];
    d[c] = fromFloat<T>(static_cast<float>((exp(sample.logProbability(t, c)) - sum) / divisor));
  }
  // The occupancies are read until here.
  __syncthreads();
}

template <typename T>
__global__ void ctcKernel(Ctc<T> a) {
  const int32_t b = static_cast<int32_t>(blockIdx.x), thread = static_cast<int32_t>(threadIdx.x), stride = a.states();
  const CtcSample<T> sample(a, b);
  const int32_t states = sample.states;
  double* alpha = a.alpha + static_cast<size_t>(b) * a.time * stride;
  chainLabels(a, sample, b);

  for (int32_t t = 0; t < sample.frames; ++t) {
    for (int32_t s = thread; s < states; s += kThreads) {
      double reached = s < 2 ? 0.0 : minusInfinity();
      if (t > 0) {
        const double* before = alpha + static_cast<size_t>(t - 1) * stride;
        reached = logSum(before[s], s >= 1 ? before[s - 1] : minusInfinity(), sample.skips(s) ? before[s - 2] : minusInfinity());
      }
      alpha[static_cast<size_t>(t) * stride + s] = reached + sample.logProbability(t, sample.classOf(s));
    }
    __syncthreads();
  }

  // An empty target through no frames is certain.
  double likelihood = states == 1 ? 0.0 : minusInfinity();
  if (sample.frames > 0) {
    const double* last = alpha + static_cast<size_t>(sample.frames - 1) * stride;
    likelihood = logSum(last[states - 1], states >= 2 ? last[states - 2] : minusInfinity(), minusInfinity());
  }
  const bool impossible = likelihood == minusInfinity();
  if (thread == 0) {
    a.impossible[b] = impossible ? 1 : 0;
    a.losses[b] = impossible ? 0.0 : -likelihood;
  }

  const int32_t end = impossible ? 0 : sample.frames;
  T* d = a.dLogits + static_cast<size_t>(b) * a.time * a.classes;
  for (size_t e = static_cast<size_t>(end) * a.classes + threadIdx.x; e < static_cast<size_t>(a.time) * a.classes; e += kThreads) {
    d[e] = fromFloat<T>(0.0f);
  }
  double* occupancy = a.occupancy + static_cast<size_t>(b) * stride;
  double *beta = a.beta + static_cast<size_t>(b) * 2 * stride, *after = beta + stride;
  for (int32_t t = end - 1; t >= 0; --t) {
    for (int32_t s = thread; s < states; s += kThreads) {
      double ending = s >= states - 2 ? 0.0 : minusInfinity();
      if (t < end - 1) {
        const auto next = [&](int32_t to) { return after[to] + sample.logProbability(t + 1, sample.classOf(to)); };
        ending = logSum(next(s), s + 1 < states ? next(s + 1) : minusInfinity(),
                        s + 2 < states && sample.skips(s + 2) ? next(s + 2) : minusInfinity());
      }
      beta[s] = ending;
      occupancy[s] = exp(alpha[static_cast<size_t>(t) * stride + s] + ending - likelihood);
    }
    __syncthreads();
    writeFrame(a, sample, b, t, occupancy);
    double* const swap = beta;
    beta = after;
    after = swap;
  }
}

__global__ void ctcStatsKernel(float* stats, const double* losses, const int32_t* impossible, const float* normalizer, int32_t batch) {
  const double loss = sumOfPartials(losses, batch);
  const int32_t count = sumOfPartials(impossible, batch);
  if (threadIdx.x != 0) return;
  stats[0] = static_cast<float>(loss / normalizer[0]);
  stats[1] = static_cast<float>(count);
}

}  // namespace

template <typename T>
void ctc(float* stats, T* d_logits, const T* logits, const int32_t* targets, const int32_t* target_lengths, const int32_t* frame_lengths,
         const float* normalizer, int32_t batch, int32_t time, int32_t classes, int32_t max_target, int32_t blank) {
  const size_t samples = static_cast<size_t>(batch), states = 2 * static_cast<size_t>(max_target) + 1, frames = samples * time;
  const size_t doubles = frames + frames * states + 3 * samples * states + samples, ints = samples * (1 + 2 * static_cast<size_t>(max_target));
  auto* logSums = workspace<double>(doubles + (ints + 1) / 2);
  double *alpha = logSums + frames, *beta = alpha + frames * states, *occupancy = beta + 2 * samples * states;
  double* losses = occupancy + samples * states;
  auto* impossible = reinterpret_cast<int32_t*>(losses + samples);
  int32_t *following = impossible + samples, *leads = following + samples * max_target;
  const Ctc<T> a{d_logits, logits,     targets,    target_lengths, frame_lengths, normalizer, logSums,    alpha, beta,
                 occupancy, losses,    impossible, following,      leads,         time,       classes,    max_target, blank};
  forRows("ctc", batch * time, LogSumRow<T>{logSums, logits, classes});
  if (batch > 0) launch("ctc", ctcKernel<T>, batch, kThreads, 0, a);
  launch("ctc", ctcStatsKernel, 1, kThreads, 0, stats, losses, impossible, normalizer, batch);
}
DATA2VEC_FOR_EACH_TYPE(ctc)

}  // namespace data2vec::cuda
