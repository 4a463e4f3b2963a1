/* cuda_runtime.h -- what kernels/cuda needs of CUDA, on the processor.
 *
 *     g++ -x c++ -std=c++17 -Itests/cuda -I. -c kernels/cuda/rows.cu
 *
 * Every CUDA thread is a fiber; one block runs at a time, its threads in an order that a test
 * chooses.  A race between the threads of a block shows in one of the orders; a barrier that some
 * threads do not reach, a lane that is missing from a shuffle and a launch that no device takes end
 * the program with one line.  Shared memory begins as NaN.  Streams put off what they are asked for
 * (streams.cpp), so that a wait that is missing gives other numbers.  What it does not show: speed,
 * and anything about the libraries.
 */
#ifndef SSV_TESTS_CUDA_RUNTIME_H
#define SSV_TESTS_CUDA_RUNTIME_H

#include "tests/cuda/cuda_runtime_api.h"
#include "tests/cuda/emulator.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

#define CUDA_EMULATED 1
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct alignas(16) float4 {
    float x, y, z, w;
};

cudaError_t cudaStreamCreate(cudaStream_t *stream);
/* The processor's memory, pinned: a copy reads or writes it when its stream comes to it. */
cudaError_t cudaMallocHost(void **out, size_t bytes);
cudaError_t cudaFreeHost(void *memory);
enum { cudaHostRegisterDefault };
cudaError_t cudaHostRegister(void *memory, size_t bytes, unsigned flags);
cudaError_t cudaHostUnregister(void *memory);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *all);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int number); /* there is device 0 */
struct cudaUUID_t {
    char bytes[16];
};
struct cudaDeviceProp {
    char name[256];
    struct cudaUUID_t uuid;
    size_t totalGlobalMem;
    int major, minor;
};
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *about, int number);
/* More than 48 KiB of shared memory are for kernels that have asked. */
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
cudaError_t emulated_allow_shared(const void *kernel, int bytes);
template <class F>
static inline cudaError_t cudaFuncSetAttribute(F *kernel, enum cudaFuncAttribute, int bytes) {
    return emulated_allow_shared(reinterpret_cast<const void *>(kernel), bytes);
}
/* $SSV_EMULATED_OLD: devices are older than what kernels are compiled for. */
struct cudaFuncAttributes {
    int numRegs;
};
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *out, void (*kernel)(void));

/* The thread that runs now, and its block. */
extern uint3 emulated_thread, emulated_block;
extern dim3 emulated_block_size, emulated_grid_size;
#define threadIdx emulated_thread
#define blockIdx emulated_block
#define blockDim emulated_block_size
#define gridDim emulated_grid_size

/* What is launched while the stream is captured, to be done later. */
typedef struct emulated_graph *cudaGraph_t;
typedef struct emulated_graph *cudaGraphExec_t;
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);

/* Done when the stream comes to it, or kept for the graph when it is captured. */
cudaError_t emulated_ask(cudaStream_t stream, const std::function<void()> &work);
/* cudaSuccess, or why no device takes such a launch. */
cudaError_t emulated_takes(const void *kernel, dim3 grid, dim3 block, size_t shared);
void emulated_launch(dim3 grid, dim3 block, size_t shared, void (*run)(void *), void *self);
enum emulated_exchange { EMULATED_SHUFFLE, EMULATED_BALLOT };
uint64_t emulated_warp(unsigned mask, uint64_t value, int from, enum emulated_exchange kind);
void __syncthreads(void);
void *emulated_dynamic_shared(void);
/* Filled with NaN by the first thread of each block that comes here. */
void emulated_shared(void *memory, size_t bytes, unsigned long *filled_for);

/* What a launch says is the last error, also of a call before it that nobody asked about. */
template <class F>
static inline cudaError_t emulate(const void *kernel, dim3 grid, dim3 block, size_t shared,
                                  cudaStream_t stream, F body) {
    cudaError_t taken = emulated_takes(kernel, grid, block, shared);
    if (taken != cudaSuccess)
        return taken;
    cudaError_t asked = emulated_ask(stream, [=] {
        F copy = body;
        emulated_launch(
            grid, block, shared, [](void *f) { (*static_cast<F *>(f))(); }, &copy);
    });
    cudaError_t last = cudaGetLastError();
    return asked == cudaSuccess ? last : asked;
}

/* Arguments are looked at now, whenever the kernel runs. */
#define LAUNCH(kernel, grid, block, shared, stream, ...)                                           \
    emulate(reinterpret_cast<const void *>(+kernel), (grid), (block), (shared), (stream),          \
            [entry = +kernel, arguments = std::make_tuple(__VA_ARGS__)] {                          \
                std::apply(entry, arguments);                                                      \
            })
#define SHARED(type, name, count)                                                                  \
    alignas(16) static type name[count];                                                           \
    static unsigned long name##_filled_for;                                                        \
    emulated_shared(name, sizeof name, &name##_filled_for)
#define DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(emulated_dynamic_shared())

static inline int emulated_lane(void) {
    return (int)((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32);
}

template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int with) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "one register or two");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = emulated_warp(mask, bits, emulated_lane() ^ with, EMULATED_SHUFFLE);
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T> static inline T __shfl_sync(unsigned mask, T value, int from) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "one register or two");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = emulated_warp(mask, bits, from, EMULATED_SHUFFLE);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline unsigned __ballot_sync(unsigned mask, int predicate) {
    return (unsigned)emulated_warp(mask, predicate != 0, 0, EMULATED_BALLOT);
}

static inline void __syncwarp(void) {
    emulated_warp(0xffffffffu, 0, 0, EMULATED_BALLOT);
}

static inline int __ffs(int x) {
    return __builtin_ffs(x);
}

/* Never fused with an addition. */
static inline float __fmul_rn(float a, float b) {
    return a * b;
}

/* Faster and less exact on a device. */
static inline float __fdividef(float a, float b) {
    return a / b;
}

static inline float rsqrtf(float x) {
    return 1 / sqrtf(x);
}

#endif
