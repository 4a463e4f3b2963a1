/* runtime.cu -- a CUDA device as kernels/device.h has it. */
#include "kernels/cuda/runtime.h"

#include "kernels/cuda/dnn.h"

#include <cuda_runtime.h>

#include <stdio.h>
#include <stdlib.h>

namespace {

struct cuda_device {
    struct device base;
    struct cuda_queue queue;
    char name[32], description[320];
    struct error without_dnn; /* why there is none */
};

struct cuda_device *own(struct device *d) {
    return reinterpret_cast<struct cuda_device *>(d); /* base comes first */
}

cudaStream_t stream_of(struct device *d) {
    return static_cast<cudaStream_t>(own(d)->queue.stream);
}

/* Kept for check. */
void keep(struct device *d, cudaError_t error, const char *where) {
    struct cuda_queue *q = &own(d)->queue;
    if (error == cudaSuccess || q->error)
        return;
    q->error = (int)error;
    q->where = where;
}

int allocate(struct device *d, void **out, size_t bytes, const char *what, struct error *err) {
    const double mib = 1 << 20;
    size_t free_bytes = 0, all = 0;
    *out = NULL;
    cudaError_t error = cudaMalloc(out, bytes ? bytes : 1);
    if (error == cudaSuccess)
        error = cudaMemsetAsync(*out, 0, bytes, stream_of(d));
    if (error == cudaSuccess)
        return 0;
    cudaGetLastError(); /* it is said here */
    cudaMemGetInfo(&free_bytes, &all);
    return error_set(
        err, STATUS_MACHINE,
        "%s: %s needs %.1f MiB, %.1f of %.1f MiB are free (%s): use a smaller batch or "
        "model",
        d->name, what, (double)bytes / mib, (double)free_bytes / mib, (double)all / mib,
        cudaGetErrorString(error));
}

void release(struct device *d, void *memory) {
    keep(d, cudaFree(memory), "freeing memory");
}

void copy(struct device *d, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
          const char *where) {
    keep(d, cudaMemcpyAsync(to, from, bytes, kind, stream_of(d)), where);
    keep(d, cudaStreamSynchronize(stream_of(d)), where);
}

void copy_in(struct device *d, void *to, const void *from, size_t bytes) {
    copy(d, to, from, bytes, cudaMemcpyHostToDevice, "copying to the device");
}

void copy_out(struct device *d, void *to, const void *from, size_t bytes) {
    copy(d, to, from, bytes, cudaMemcpyDeviceToHost, "copying from the device");
}

void wait(struct device *d) {
    keep(d, cudaStreamSynchronize(stream_of(d)), "waiting for the device");
}

int check(struct device *d, struct error *err) {
    struct cuda_queue *q = &own(d)->queue;
    wait(d);
    if (!q->error)
        return 0;
    int error = q->error;
    q->error = 0;
    const char *text = q->dnn ? dnn_error(q->dnn, error) : NULL;
    return error_set(err, STATUS_MACHINE, "%s: %s: %s", d->name, q->where,
                     text ? text : cudaGetErrorString((cudaError_t)error));
}

/* Without it the kernels of conv.cu convolve. */
void open_dnn(struct cuda_device *d) {
    struct cuda_queue *q = &d->queue;
    const int tf32 = 0;
    if (dnn_open(&q->dnn, q->stream, tf32, &d->without_dnn))
        error_prefix(&d->without_dnn, "own convolutions");
    d->base.note = q->dnn ? dnn_note(q->dnn) : d->without_dnn.message;
}

} // namespace

int cuda_device_open(struct device **out, int number, struct error *err) {
    struct cuda_device *d = static_cast<struct cuda_device *>(calloc(1, sizeof *d));
    cudaStream_t stream;
    *out = NULL;
    if (!d)
        return error_set(err, STATUS_MACHINE, "no memory");
    snprintf(d->name, sizeof d->name, "cuda:%d", number);
    d->base.name = d->name;
    d->base.kernels = kernels_cuda();
    d->base.queue = &d->queue;
    d->base.allocate = allocate;
    d->base.release = release;
    d->base.copy_in = copy_in;
    d->base.copy_out = copy_out;
    d->base.wait = wait;
    d->base.check = check;
    struct cudaDeviceProp about;
    cudaError_t error = cudaSetDevice(number);
    if (error == cudaSuccess)
        error = cudaGetDeviceProperties(&about, number);
    if (error == cudaSuccess)
        error = cudaStreamCreate(&stream);
    if (error != cudaSuccess) {
        free(d);
        return error_set(err, STATUS_MACHINE, "cuda:%d: %s", number, cudaGetErrorString(error));
    }
    snprintf(d->description, sizeof d->description, "%s, %.1f GiB", about.name,
             (double)about.totalGlobalMem / (1 << 30));
    d->base.description = d->description;
    d->queue.stream = stream;
    open_dnn(d);
    *out = &d->base;
    return 0;
}

void cuda_device_close(struct device *d) {
    if (!d)
        return;
    dnn_close(own(d)->queue.dnn);
    cudaStreamDestroy(stream_of(d));
    free(own(d));
}
