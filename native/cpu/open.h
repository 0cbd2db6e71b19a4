// What JavaScript sees of the native CPU engine.
#ifndef DATA2VEC_NATIVE_CPU_OPEN_H
#define DATA2VEC_NATIVE_CPU_OPEN_H

#include <napi.h>

namespace data2vec {

// cpuInstructionSets(): the names of those that were compiled and that this machine has, best first.
Napi::Value cpuInstructionSets(const Napi::CallbackInfo& info);

// openCpu(instructionSet, threads, reserve, growWorkspace): { kernels, commit, upload, download, multiplyAdds, close }.
Napi::Value openCpu(const Napi::CallbackInfo& info);

}  // namespace data2vec

#endif
