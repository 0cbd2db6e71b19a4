// Tests of the emulation of CUDA itself, with kernels small enough to know their results. Prints each failure; "the emulation holds" at the end.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "cuda/launch.h"
#include "cuda/mma.h"

namespace {

using namespace data2vec::cuda;

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

void expectError(const std::string& part, const std::function<void()>& run) {
  try {
    run();
  } catch (const CudaError& error) {
    return expect(std::string(error.what()).find(part) != std::string::npos, "expected \"" + part + "\" in \"" + error.what() + "\"");
  }
  expect(false, "expected an error with \"" + part + "\"");
}

float someValue(int i) { return static_cast<float>((i * 2654435761u >> 20) % 17) - 8.0f; }

// ---- threads, blocks and barriers ----

__global__ void indices(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] += static_cast<int>(block * 1000 + thread);
}

__global__ void reverse(int* data) {
  SHARED(tile, int[100]);
  for (int round = 0; round < 3; ++round) {
    tile[threadIdx.x] = data[blockIdx.x * 100 + threadIdx.x];
    __syncthreads();
    data[blockIdx.x * 100 + threadIdx.x] = tile[99 - threadIdx.x] + 1;
    __syncthreads();
  }
}

// Reads what a lower lane writes, without a barrier: right as long as lanes run in order, so they must not always do.
__global__ void race(int* wrong) {
  SHARED(tile, int[64]);
  for (int round = 0; round < 8; ++round) {
    tile[threadIdx.x] = round;
    if (threadIdx.x > 0 && tile[threadIdx.x - 1] != round) ++*wrong;
    __syncthreads();
  }
}

__global__ void someLeave() {
  if (threadIdx.x == 37) return;
  __syncthreads();
}
__global__ void twoBarriers() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}
__global__ void someLanesLeave(int* out) {
  if (threadIdx.x != 5) out[0] = __shfl_xor_sync(0xffffffffu, 1, 1);
}
__global__ void laneOutsideOfTheMask(int* out) { out[0] = __shfl_sync(0xfffffffeu, 1, 1); }
__global__ void beyondDynamic(int bytes) {
  DYNAMIC_SHARED(data, char);
  data[bytes] = 1;
}
__global__ void beyondStatic() {
  SHARED(tile, float[8]);
  float* start = tile;
  start[8] = 1;
}
__global__ void undefinedAtFirst(int* count, int values) {
  DYNAMIC_SHARED(data, float);
  SHARED(tile, float[8]);
  if (threadIdx.x != 0) return;
  for (int i = 0; i < values; ++i) *count += std::isnan(data[i]), data[i] = 0;
  for (int i = 0; i < 8; ++i) *count += std::isnan(tile[i]), tile[i] = 0;
}

void threadsAndBlocks() {
  std::vector<int> seen(2 * 3 * 2 * 24);
  launch("indices", indices, dim3(2, 3, 2), dim3(2, 3, 4), 0, seen.data());
  for (int i = 0; i < static_cast<int>(seen.size()); ++i) expect(seen[i] == i / 24 * 1000 + i % 24, "indices at " + std::to_string(i));

  std::vector<int> data(300);
  for (int i = 0; i < 300; ++i) data[i] = i;
  launch("reverse", reverse, 3, 100, 0, data.data());
  for (int i = 0; i < 300; ++i) expect(data[i] == i / 100 * 100 + 99 - i % 100 + 3, "reverse at " + std::to_string(i));

  int wrong = 0;
  launch("race", race, 1, 64, 0, &wrong);
  expect(wrong > 0, "a missing barrier shows");

  int undefined = 0;
  launch("undefinedAtFirst", undefinedAtFirst, 3, 32, 40, &undefined, 10);
  expect(undefined == 3 * 18, "shared memory is NaN at the start of a block");
}

void errors() {
  int out = 0;
  for (int again = 0; again < 2; ++again) {
    expectError("someLeave: 127 of 128 threads wait for ever for __syncthreads at emulation.cc", [] { launch("someLeave", someLeave, 2, 128, 0); });
    expectError("while thread", [] { launch("twoBarriers", twoBarriers, 1, 64, 0); });
    expectError("31 of 32 threads wait for ever for a shuffle", [&] { launch("someLanesLeave", someLanesLeave, 1, 32, 0, &out); });
    expectError("is not in the mask of a shuffle", [&] { launch("outside", laneOutsideOfTheMask, 1, 32, 0, &out); });
    expectError("beyond its 100 bytes", [] { launch("beyondDynamic", beyondDynamic, 1, 1, 100, 100); });
    expectError("beyond its 32 bytes", [] { launch("beyondStatic", beyondStatic, 1, 1, 0); });
    expectError("arguments 7)", [] { launch("tooMany", beyondDynamic, 1, 1025, 0, 7); });
    expectError("cudaErrorInvalidConfiguration", [] { launch("none", beyondDynamic, 0, 1, 0, 7); });
    expectError("more shared memory than a block can have", [] { launch("shared", beyondDynamic, 1, 1, 1 << 20, 7); });
    // What comes after an error is as before it.
    std::vector<int> seen(32);
    launch("indices", indices, 1, 32, 0, seen.data());
    expect(seen[31] == 31, "a launch after an error");
  }
}

// ---- warps ----

__global__ void shuffles(int* out) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  int* own = out + threadIdx.x * 6;
  own[0] = __shfl_xor_sync(0xffffffffu, lane * 3, 5);
  own[1] = __shfl_down_sync(0xffffffffu, lane, 4);
  own[2] = __shfl_up_sync(0xffffffffu, lane, 4, 16);
  own[3] = __shfl_sync(0xffffffffu, lane, 9, 8);
  own[4] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
  // Both halves at the same time, each by itself.
  own[5] = lane < 16 ? __shfl_sync(0x0000ffffu, lane, 3) : __shfl_sync(0xffff0000u, lane, 19);
}

void warps() {
  std::vector<int> out(64 * 6);
  launch("shuffles", shuffles, 1, 64, 0, out.data());
  int every3 = 0;
  for (int i = 0; i < 32; i += 3) every3 |= 1 << i;
  for (int t = 0; t < 64; ++t) {
    const int lane = t % 32;
    const int wanted[] = {(lane ^ 5) * 3, lane + 4 < 32 ? lane + 4 : lane, lane % 16 >= 4 ? lane - 4 : lane, lane / 8 * 8 + 1, every3,
                          lane < 16 ? 3 : 19};
    for (int i = 0; i < 6; ++i) expect(out[t * 6 + i] == wanted[i], "shuffle " + std::to_string(i) + " of thread " + std::to_string(t));
  }
}

// ---- tensor cores ----

// One tile c[16][8] += a[16][16] · bt[8][16]ᵀ by ldmatrix, from arrays of bf16 in shared memory; bt is row-major, or b[16][8] with trans.
__global__ void bf16Tile(float* c, const float* a, const float* b, int trans) {
  SHARED(tileA, bf16[16 * 16]);
  SHARED(tileB, bf16[16 * 16]);
  const int lane = static_cast<int>(threadIdx.x), group = lane / 4, member = lane % 4;
  for (int i = lane; i < 256; i += 32) tileA[i] = fromFloat<bf16>(a[i]);
  for (int i = lane; i < 256; i += 32) tileB[i] = fromFloat<bf16>(0.0f);
  __syncwarp();
  for (int i = lane; i < 128; i += 32) tileB[trans ? i / 8 * 16 + i % 8 : i] = fromFloat<bf16>(b[i]);
  __syncwarp();
  uint32_t fragmentA[4], loaded[4];
  ldmatrix_x4(fragmentA, tileA + (lane % 16) * 16 + lane / 16 * 8);
  if (trans)
    ldmatrix_x4_trans(loaded, tileB + (lane % 16) * 16 + lane / 16 * 8);
  else
    ldmatrix_x4(loaded, tileB + (lane % 8) * 16 + lane / 8 % 2 * 8);
  const uint32_t fragmentB[2] = {loaded[0], loaded[1]};
  float sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = c[(group + i / 2 * 8) * 8 + 2 * member + i % 2];
  mma_m16n8k16_bf16(sums, fragmentA, fragmentB);
  for (int i = 0; i < 4; ++i) c[(group + i / 2 * 8) * 8 + 2 * member + i % 2] = sums[i];
}

__global__ void tf32Tile(float* c, const float* a, const float* b) {
  const int lane = static_cast<int>(threadIdx.x), group = lane / 4, member = lane % 4;
  const uint32_t fragmentA[4] = {toTf32(a[group * 8 + member]), toTf32(a[(group + 8) * 8 + member]), toTf32(a[group * 8 + member + 4]),
                                 toTf32(a[(group + 8) * 8 + member + 4])};
  const uint32_t fragmentB[2] = {toTf32(b[member * 8 + group]), toTf32(b[(member + 4) * 8 + group])};
  float sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = c[(group + i / 2 * 8) * 8 + 2 * member + i % 2];
  mma_m16n8k8_tf32(sums, fragmentA, fragmentB);
  for (int i = 0; i < 4; ++i) c[(group + i / 2 * 8) * 8 + 2 * member + i % 2] = sums[i];
}

void tensorCores() {
  for (int form = 0; form < 3; ++form) {
    const int depth = form == 2 ? 8 : 16;
    std::vector<float> a(16 * 16), b(16 * 8), c(16 * 8), wanted;
    for (int i = 0; i < 256; ++i) a[i] = someValue(i);
    for (int i = 0; i < 128; ++i) b[i] = someValue(i + 1000), c[i] = someValue(i + 2000);
    wanted = c;
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j)
        for (int k = 0; k < depth; ++k) wanted[i * 8 + j] += a[i * depth + k] * (form == 0 ? b[j * depth + k] : b[k * 8 + j]);
    if (form == 2)
      launch("tf32Tile", tf32Tile, 1, 32, 0, c.data(), a.data(), b.data());
    else
      launch("bf16Tile", bf16Tile, 1, 32, 0, c.data(), a.data(), b.data(), form);
    for (int i = 0; i < 128; ++i) expect(c[i] == wanted[i], "tile of form " + std::to_string(form) + " at " + std::to_string(i));
  }
  expect(__uint_as_float(toTf32(1.0f + 0x1p-11f)) == 1.0f + 0x1p-10f, "tf32 rounds ties away from zero");
  expect(toFloat(fromFloat<bf16>(1.0f + 0x1p-8f)) == 1.0f, "bf16 rounds ties to even");
  expect(toFloat(fromFloat<bf16>(1.0f + 3 * 0x1p-8f)) == 1.0f + 0x1p-6f, "bf16 rounds ties to even, upwards");
  expect(std::isnan(toFloat(fromFloat<bf16>(NAN))), "bf16 keeps NaN");
}

// ---- asynchronous copies ----

__global__ void copies(float* out, const float* in) {
  DYNAMIC_SHARED(data, float);
  const unsigned t = threadIdx.x;
  cp_async<16>(data + 4 * t, in + 4 * t);
  cp_async_commit();
  cp_async<16>(data + 128 + 4 * t, in + 128 + 4 * t, 8);
  cp_async_commit();
  out[t] = data[4 * t];  // too early: not there yet
  cp_async_wait<1>();
  __syncthreads();
  out[32 + t] = data[127 - t];
  out[64 + t] = data[128 + 4 * t];
  cp_async_wait<0>();
  __syncthreads();
  out[96 + t] = data[128 + 4 * t + 1];
  out[128 + t] = data[128 + 4 * t + 2];
}
__global__ void misaligned(const float* in) {
  DYNAMIC_SHARED(data, float);
  cp_async<16>(data + 1, in);
}

void asynchronousCopies() {
  alignas(16) float in[256];
  float out[160];
  for (int i = 0; i < 256; ++i) in[i] = static_cast<float>(i + 1);
  launch("copies", copies, 1, 32, 1024, out, in);
  for (int t = 0; t < 32; ++t) {
    expect(std::isnan(out[t]), "a copy that was not waited for");
    expect(out[32 + t] == in[127 - t], "a copy");
    expect(std::isnan(out[64 + t]), "a copy of the last group");
    expect(out[96 + t] == in[128 + 4 * t + 1] && out[128 + t] == 0.0f, "zeros beyond a short copy");
  }
  expectError("not aligned", [&] { launch("misaligned", misaligned, 1, 1, 64, in); });
}

}  // namespace

// Kernels of this file need no engine, only a stream to be launched on.
class NoEngine : public Context {
 public:
  void* workspace(size_t) override { std::abort(); }
  void* mirrorOf(const void*) const override { std::abort(); }
};

int main() {
  NoEngine none;
  currentContext = &none;
  threadsAndBlocks();
  errors();
  warps();
  tensorCores();
  asynchronousCopies();
  if (failures == 0) std::printf("the emulation holds\n");
  return failures == 0 ? 0 : 1;
}
