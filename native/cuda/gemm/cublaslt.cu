#include "cuda/gemm/cublaslt.h"

#include <dlfcn.h>
#include <glob.h>

#include <cstdlib>
#include <vector>

namespace data2vec::cuda::cublaslt {

namespace {

std::vector<std::string> foldersOf(const char* list) {
  std::vector<std::string> folders;
  std::string folder;
  for (const char* c = list;; ++c) {
    if (*c != ':' && *c != '\0') {
      folder += *c;
      continue;
    }
    if (!folder.empty()) folders.push_back(folder + "/");
    folder.clear();
    if (*c == '\0') return folders;
  }
}

void addMatches(std::vector<std::string>& folders, const std::string& pattern) {
  glob_t matches{};
  if (glob(pattern.c_str(), 0, nullptr, &matches) == 0) {
    for (size_t i = 0; i < matches.gl_pathc; ++i) folders.push_back(std::string(matches.gl_pathv[i]) + "/");
  }
  globfree(&matches);
}

std::vector<std::string> searchedFolders() {
  const char* own = std::getenv("DATA2VEC_CUDA_LIBS");
  std::vector<std::string> folders = foldersOf(own == nullptr ? "" : own);
#if defined(__CUDACC__)
  if (own != nullptr && *own == '\0') return {};
  folders.push_back("");  // where the system looks
  folders.push_back("/usr/local/cuda/lib64/");
  for (const char* prefix : {std::getenv("VIRTUAL_ENV"), std::getenv("CONDA_PREFIX"), static_cast<char*>(nullptr)}) {
    if (prefix != nullptr) addMatches(folders, std::string(prefix) + "/lib/python3*/site-packages/nvidia/*/lib");
  }
  for (const char* packages : {"/usr/local/lib/python3*/site-", "/usr/local/lib/python3*/dist-", "/usr/lib/python3/dist-"}) {
    addMatches(folders, std::string(packages) + "packages/nvidia/*/lib");
  }
#else
  (void)addMatches;
#endif
  return folders;
}

template <typename Function>
bool find(void* opened, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(opened, name));
  return function != nullptr;
}

bool complete(void* opened, Library& l) {
  return find(opened, "cublasLtCreate", l.create) && find(opened, "cublasLtGetVersion", l.getVersion) &&
         find(opened, "cublasLtMatmulDescCreate", l.matmulDescCreate) &&
         find(opened, "cublasLtMatmulDescSetAttribute", l.matmulDescSetAttribute) &&
         find(opened, "cublasLtMatrixLayoutCreate", l.matrixLayoutCreate) &&
         find(opened, "cublasLtMatmulPreferenceCreate", l.matmulPreferenceCreate) &&
         find(opened, "cublasLtMatmulPreferenceDestroy", l.matmulPreferenceDestroy) &&
         find(opened, "cublasLtMatmulPreferenceSetAttribute", l.matmulPreferenceSetAttribute) &&
         find(opened, "cublasLtMatmulAlgoGetHeuristic", l.matmulAlgoGetHeuristic) && find(opened, "cublasLtMatmul", l.matmul);
}

Library open() {
  for (const std::string& folder : searchedFolders()) {
    for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"}) {
      Library found{};
      void* opened = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
      if (opened == nullptr) continue;
      if (complete(opened, found)) {
        found.path = folder + name;
        return found;
      }
      dlclose(opened);
    }
  }
  return {};
}

}  // namespace

const Library& library() {
  static const Library opened = open();
  return opened;
}

}  // namespace data2vec::cuda::cublaslt
