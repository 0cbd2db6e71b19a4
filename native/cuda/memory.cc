#include "cuda/memory.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <algorithm>

#include "cuda/error.h"

namespace data2vec {

namespace {

// Grown by at least this, so that most allocations cost no call of the driver.
constexpr size_t kStep = size_t{64} << 20;

// The driver's functions for virtual memory, asked for at run time: the addon must load where there is no driver.
struct Driver {
  decltype(&cuMemGetAllocationGranularity) granularity;
  decltype(&cuMemAddressReserve) reserve;
  decltype(&cuMemAddressFree) unreserve;
  decltype(&cuMemCreate) create;
  decltype(&cuMemRelease) release;
  decltype(&cuMemMap) map;
  decltype(&cuMemUnmap) unmap;
  decltype(&cuMemSetAccess) setAccess;
  decltype(&cuGetErrorName) errorName;
};

template <typename Function>
void find(const char* name, Function& function) {
  void* address = nullptr;
#if CUDART_VERSION >= 12050
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  cuda::check(cudaGetDriverEntryPointByVersion(name, &address, 12000, cudaEnableDefault, &found), name);
#else
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  cuda::check(cudaGetDriverEntryPoint(name, &address, cudaEnableDefault, &found), name);
#endif
  if (found != cudaDriverEntryPointSuccess || address == nullptr) {
    throw std::runtime_error(std::string(name) + ": the driver is too old, it lacks this function\nupdate the NVIDIA driver");
  }
  function = reinterpret_cast<Function>(address);
}

const Driver& driver() {
  static const Driver functions = [] {
    Driver found;
    find("cuMemGetAllocationGranularity", found.granularity);
    find("cuMemAddressReserve", found.reserve);
    find("cuMemAddressFree", found.unreserve);
    find("cuMemCreate", found.create);
    find("cuMemRelease", found.release);
    find("cuMemMap", found.map);
    find("cuMemUnmap", found.unmap);
    find("cuMemSetAccess", found.setAccess);
    find("cuGetErrorName", found.errorName);
    return found;
  }();
  return functions;
}

void checkDriver(CUresult status, const char* call) {
  if (status == CUDA_SUCCESS) return;
  const char* name = nullptr;
  driver().errorName(status, &name);
  throw std::runtime_error(std::string(call) + ": " + (name == nullptr ? "error" : name) + " (" + std::to_string(status) + ")");
}

CUmemAllocationProp pinnedOn(int device) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = device;
  return properties;
}

CUdeviceptr addressOf(const char* base) { return reinterpret_cast<CUdeviceptr>(base); }

size_t roundUp(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

}  // namespace

DeviceMemory::DeviceMemory(int device, size_t bytes) : device_(device) {
  const CUmemAllocationProp properties = pinnedOn(device);
  size_t granularity = 0;
  checkDriver(driver().granularity(&granularity, &properties, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED), "cuMemGetAllocationGranularity");
  step_ = roundUp(kStep, granularity);
  const size_t wanted = roundUp(bytes, step_);
  CUdeviceptr base = 0;
  checkDriver(driver().reserve(&base, wanted, 0, 0, 0), "cuMemAddressReserve");
  reserved_ = wanted;
  heap_.base = reinterpret_cast<char*>(base);
}

DeviceMemory::~DeviceMemory() {
  // What fails here has no one to hear of it: the process is about to end, or the device is lost.
  for (const Block& block : blocks_) {
    driver().unmap(addressOf(heap_.base) + block.offset, block.size);
    driver().release(block.handle);
  }
  driver().unreserve(addressOf(heap_.base), reserved_);
}

bool DeviceMemory::commit(size_t bytes) {
  if (bytes <= heap_.size) return true;
  if (bytes > reserved_) return false;
  const size_t size = std::min(roundUp(bytes, step_), reserved_) - heap_.size;
  const CUmemAllocationProp properties = pinnedOn(device_);
  CUmemGenericAllocationHandle handle = 0;
  const CUresult created = driver().create(&handle, size, &properties, 0);
  if (created == CUDA_ERROR_OUT_OF_MEMORY) return false;
  checkDriver(created, "cuMemCreate");
  const CUdeviceptr at = addressOf(heap_.base) + heap_.size;
  if (const CUresult status = driver().map(at, size, 0, handle, 0); status != CUDA_SUCCESS) {
    driver().release(handle);
    checkDriver(status, "cuMemMap");
  }
  CUmemAccessDesc access{};
  access.location = properties.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  if (const CUresult status = driver().setAccess(at, size, &access, 1); status != CUDA_SUCCESS) {
    driver().unmap(at, size);
    driver().release(handle);
    checkDriver(status, "cuMemSetAccess");
  }
  blocks_.push_back({handle, heap_.size, size});
  heap_.size += size;
  return true;
}

}  // namespace data2vec
