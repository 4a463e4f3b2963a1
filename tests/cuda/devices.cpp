/* devices.cpp -- what the emulator's devices are and which launches they take. */
#include "tests/cuda/emulator_internal.h"

#include <cstdlib>
#include <map>
#include <unistd.h>

namespace {

enum { MOST_THREADS = 1024, MOST_DEPTH = 64, MOST_GRID_Y = 65535 };
enum { UNASKED_SHARED = 48 << 10, MOST_SHARED = 227 << 10 };

/* Kernels that may have more shared memory than others, and how much. */
std::map<const void *, size_t> &allowed = *new std::map<const void *, size_t>();

bool is_device(int number) {
    int n;
    cudaGetDeviceCount(&n);
    return number >= 0 && number < n;
}

} // namespace

/* As many as a test wants; all are alike, and a process uses one. */
cudaError_t cudaGetDeviceCount(int *n) {
    const char *asked = getenv("SSV_EMULATED_DEVICES");
    *n = asked ? atoi(asked) : 1;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int number) {
    return is_device(number) ? cudaSuccess : cudaErrorInvalidDevice;
}

/* Told apart by its number and the machine's name. */
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *about, int number) {
    *about = {"emulated", {{static_cast<char>(number)}}, EMULATED_MEMORY, 9, 0};
    gethostname(about->uuid.bytes + 1, sizeof about->uuid.bytes - 1);
    return is_device(number) ? cudaSuccess : cudaErrorInvalidDevice;
}

const char *cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorMemoryAllocation       ? "out of memory"
           : error == cudaErrorInvalidConfiguration ? "invalid configuration argument"
           : error == cudaErrorInvalidDevice        ? "invalid device ordinal"
           : error == cudaErrorInvalidValue         ? "invalid argument"
           : error == cudaErrorStreamCaptureUnsupported
               ? "operation not permitted when stream is capturing"
           : error == cudaErrorHostMemoryAlreadyRegistered
               ? "part or all of the requested memory range is already mapped"
               : "no error";
}

cudaError_t emulated_allow_shared(const void *kernel, int bytes) {
    if (bytes < 0 || bytes > MOST_SHARED)
        return cudaErrorInvalidValue;
    allowed[kernel] = (size_t)bytes;
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *out, void (*)(void)) {
    *out = {};
    return getenv("SSV_EMULATED_OLD") ? cudaErrorNoKernelImageForDevice : cudaSuccess;
}

cudaError_t emulated_takes(const void *kernel, dim3 grid, dim3 block, size_t shared) {
    size_t threads = (size_t)block.x * block.y * block.z;
    const auto more = allowed.find(kernel);
    if (!threads || threads > MOST_THREADS || block.z > MOST_DEPTH || !grid.x || !grid.y ||
        !grid.z || grid.x >= 1u << 31 || grid.y > MOST_GRID_Y || grid.z > MOST_GRID_Y)
        return cudaErrorInvalidConfiguration;
    return shared <= (more == allowed.end() ? (size_t)UNASKED_SHARED : more->second)
               ? cudaSuccess
               : cudaErrorInvalidValue;
}
