/* faults.cu -- kernels with planted mistakes, which the emulator must show. */
#include "tests/cuda/faults.h"

#include <cuda_runtime.h>

#ifndef CUDA_EMULATED
#error "for the emulator only"
#endif

namespace {

enum { THREADS = 64 };

/* The other half's numbers are read before, or after, they are written. */
__global__ void race_kernel(float *out) {
    SHARED(float, x, THREADS);
    x[threadIdx.x] = (float)threadIdx.x;
    out[threadIdx.x] = x[THREADS - 1 - threadIdx.x];
}

__global__ void no_race_kernel(float *out) {
    SHARED(float, x, THREADS);
    x[threadIdx.x] = (float)threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = x[THREADS - 1 - threadIdx.x];
}

__global__ void divergent_kernel(float *out) {
    if (threadIdx.x < THREADS / 2)
        __syncthreads();
    out[threadIdx.x] = 0;
}

__global__ void missing_lane_kernel(float *out) {
    if (threadIdx.x % 32 == 5)
        return;
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, out[threadIdx.x], 1);
}

__global__ void not_in_mask_kernel(float *out) {
    out[threadIdx.x] = __shfl_xor_sync(0xfffffffeu, out[threadIdx.x], 2);
}

__global__ void unset_kernel(float *out) {
    SHARED(float, x, THREADS);
    out[threadIdx.x] = x[threadIdx.x];
}

__global__ void dynamic_kernel(int count) {
    DYNAMIC_SHARED(float, x);
    x[count - 1] = 0;
}

} // namespace

void fault_run(enum fault fault, float *out) {
    void (*const kernels[])(float *) = {race_kernel,         no_race_kernel,     divergent_kernel,
                                        missing_lane_kernel, not_in_mask_kernel, unset_kernel};
    void (*kernel)(float *) = kernels[fault];
    LAUNCH(kernel, dim3(2), dim3(THREADS), 0, cudaStream_t(), out);
}

float fault_copies(enum copy_fault fault) {
    static float from[2], read[2];
    float *there, *kept;
    cudaStream_t work, copies;
    cudaEvent_t sent, taken;
    cudaMalloc(reinterpret_cast<void **>(&there), sizeof *there);
    cudaMalloc(reinterpret_cast<void **>(&kept), sizeof read);
    cudaStreamCreate(&work);
    cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&sent, cudaEventDisableTiming);
    cudaEventCreateWithFlags(&taken, cudaEventDisableTiming);
    cudaHostRegister(from, sizeof from, cudaHostRegisterDefault);
    for (int i = 0; i < 2; i++) {
        float *source = from + (fault == COPY_FAULT_CHANGED ? 0 : i);
        *source = (float)(i + 1);
        if (fault != COPY_FAULT_TOO_EARLY)
            cudaStreamWaitEvent(copies, taken, 0);
        cudaMemcpyAsync(there, source, sizeof *there, cudaMemcpyHostToDevice, copies);
        cudaEventRecord(sent, copies);
        if (fault == COPY_FAULT_UNPINNED)
            cudaHostUnregister(from);
        if (fault != COPY_FAULT_NOT_AWAITED)
            cudaStreamWaitEvent(work, sent, 0);
        cudaMemcpyAsync(kept + i, there, sizeof *there, cudaMemcpyDeviceToDevice, work);
        cudaEventRecord(taken, work);
    }
    cudaMemcpyAsync(read, kept, sizeof read, cudaMemcpyDeviceToHost, work);
    cudaStreamSynchronize(copies);
    cudaHostUnregister(from);
    cudaEventDestroy(sent);
    cudaEventDestroy(taken);
    cudaStreamDestroy(work);
    cudaStreamDestroy(copies);
    cudaFree(there);
    cudaFree(kept);
    return 10 * read[0] + read[1];
}

int fault_capture(enum capture_fault fault) {
    static float page[1];
    void *memory, *other;
    cudaStream_t stream;
    cudaEvent_t event;
    cudaGraph_t graph;
    cudaMalloc(&memory, sizeof(float));
    cudaStreamCreate(&stream);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    LAUNCH(no_race_kernel, dim3(1), dim3(THREADS), 0, stream, static_cast<float *>(memory));
    if (fault == CAPTURE_FAULT_QUERY)
        cudaStreamQuery(stream);
    if (fault == CAPTURE_FAULT_WAIT)
        cudaStreamSynchronize(stream);
    if (fault == CAPTURE_FAULT_MEMORY)
        cudaMalloc(&other, 1);
    if (fault == CAPTURE_FAULT_FREE)
        cudaFree(memory);
    if (fault == CAPTURE_FAULT_PIN)
        cudaHostRegister(page, sizeof page, cudaHostRegisterDefault);
    if (fault == CAPTURE_FAULT_COPY)
        cudaMemcpyAsync(memory, page, sizeof page, cudaMemcpyHostToDevice, stream);
    if (fault == CAPTURE_FAULT_EVENT)
        cudaEventRecord(event, stream);
    bool made = cudaStreamEndCapture(stream, &graph) == cudaSuccess;
    if (made)
        cudaGraphDestroy(graph);
    cudaEventDestroy(event);
    cudaStreamDestroy(stream);
    cudaFree(memory);
    return made;
}

int fault_shared(int bytes, int asked) {
    if (asked)
        cudaFuncSetAttribute(dynamic_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, asked);
    return LAUNCH(dynamic_kernel, dim3(1), dim3(1), (size_t)bytes, cudaStream_t(),
                  bytes / (int)sizeof(float));
}
