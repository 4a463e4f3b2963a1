/* runtime.cu -- a CUDA device as kernels/device.h has it. */
#include "kernels/cuda/runtime.h"

#include "kernels/cuda/blas.h"
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/optim.h"
#include "kernels/cuda/peers.h"

#include <cuda_runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace {

struct cuda_device {
    struct device base;
    struct cuda_queue queue;
    struct cuda_lists lists;
    cudaStream_t copies;      /* what is sent beside the queue's work */
    cudaEvent_t marked, sent; /* the work that sends wait for, and what it waits for */
    char name[32], description[320];
    char opened[640], note[1400]; /* what libraries are missing; and all that is done without one */
};

struct cuda_device *own(struct device *d) {
    return reinterpret_cast<struct cuda_device *>(d); /* base comes first */
}

cudaStream_t stream_of(struct device *d) {
    return static_cast<cudaStream_t>(own(d)->queue.stream);
}

/* For check. */
void keep_error(struct cuda_queue *q, cudaError_t error, const char *where) {
    if (error == cudaSuccess || q->error)
        return;
    q->error = (int)error;
    q->where = where;
}

void keep(struct device *d, cudaError_t error, const char *where) {
    keep_error(&own(d)->queue, error, where);
}

/* says: a library's words, NULL: nothing went wrong. */
void keep_words(struct cuda_queue *q, const char *says, const char *where) {
    if (!says || q->error)
        return;
    keep_error(q, cudaErrorUnknown, where);
    q->says = says;
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
    if (error != cudaErrorMemoryAllocation)
        return error_set(err, STATUS_MACHINE, "%s: memory for %s: %s", d->name, what,
                         cudaGetErrorString(error));
    cudaMemGetInfo(&free_bytes, &all);
    return error_no_room(
        err,
        "%s: %s needs %.1f MiB, %.1f of %.1f MiB are free (%s): use a smaller batch or "
        "model",
        d->name, what, (double)bytes / mib, (double)free_bytes / mib, (double)all / mib,
        cudaGetErrorString(error));
}

void release(struct device *d, void *memory) {
    keep(d, cudaFree(memory), "freeing memory");
}

void memory(struct device *d, struct device_memory *out) {
    const struct cuda_queue *q = &own(d)->queue;
    *out = {};
    keep(d, cudaMemGetInfo(&out->unused, &out->all), "asking for free memory");
    out->products = q->blas ? blas_workspace(q->blas) : 0;
    out->convolutions = q->dnn ? dnn_workspace(q->dnn) : 0;
    out->lists = device_list_bytes(own(d)->lists.room);
}

size_t conv_bytes(struct device *d, const struct device_conv *conv) {
    struct dnn *dnn = own(d)->queue.dnn;
    return dnn ? dnn_conv_bytes(dnn, conv) : 0;
}

size_t attention_bytes(struct device *d, const struct device_attention *a) {
    struct dnn *dnn = own(d)->queue.dnn;
    return dnn ? dnn_attention_bytes(dnn, a) : 0;
}

int lists(struct device *d, size_t pieces, struct error *err) {
    cudaError_t error = (cudaError_t)cuda_lists_grow(&own(d)->lists, pieces);
    if (error == cudaSuccess)
        return 0;
    cudaGetLastError(); /* it is said here */
    return error_no_room(err, "%s: lists of an optimizer: %s", d->name, cudaGetErrorString(error));
}

void copy(struct device *d, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
          const char *where) {
    if (own(d)->queue.peers)
        cuda_queue_wait(&own(d)->queue, where); /* CUDA itself would wait, but for ever */
    keep(d, cudaMemcpyAsync(to, from, bytes, kind, stream_of(d)), where);
    cuda_queue_wait(&own(d)->queue, where);
}

void copy_in(struct device *d, void *to, const void *from, size_t bytes) {
    copy(d, to, from, bytes, cudaMemcpyHostToDevice, "copying to the device");
}

void copy_out(struct device *d, void *to, const void *from, size_t bytes) {
    copy(d, to, from, bytes, cudaMemcpyDeviceToHost, "copying from the device");
}

void copy_there(struct device *d, void *to, const void *from, size_t bytes) {
    keep(d, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(d)),
         "copying on the device");
}

/* ---- copies beside the work: a stream of their own, which waits for the other one and is waited
 * for by events ---- */

void send(struct device *d, void *to, const void *from, size_t bytes) {
    keep(d, cudaStreamWaitEvent(own(d)->copies, own(d)->marked, 0), "sending to the device");
    keep(d, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, own(d)->copies),
         "sending to the device");
}

void mark(struct device *d) {
    keep(d, cudaEventRecord(own(d)->marked, stream_of(d)), "marking work");
}

void receive(struct device *d) {
    keep(d, cudaEventRecord(own(d)->sent, own(d)->copies), "sending to the device");
    keep(d, cudaStreamWaitEvent(stream_of(d), own(d)->sent, 0), "waiting for what was sent");
}

int pin(struct device *d, void *memory, size_t bytes, struct error *err) {
    cudaError_t error = cudaHostRegister(memory, bytes, cudaHostRegisterDefault);
    if (error == cudaSuccess)
        return 0;
    cudaGetLastError(); /* it is said here */
    return error_set(err, STATUS_MACHINE, "%s: pinning %.1f MiB of memory: %s", d->name,
                     (double)bytes / (1 << 20), cudaGetErrorString(error));
}

void unpin(struct device *d, void *memory) {
    keep(d, cudaStreamSynchronize(own(d)->copies), "sending to the device");
    keep(d, cudaHostUnregister(memory), "memory that was pinned");
}

/* ---- other ranks' devices ---- */

int invite(struct device *, char *invitation, struct error *err) {
    return peers_invite(invitation, err);
}

int join(struct device *d, const struct device_party *party, struct error *err) {
    int status = peers_join(&own(d)->queue.peers, party, stream_of(d), err);
    d->joined = status ? 0 : party->size;
    return status;
}

void leave(struct device *d) {
    peers_leave(own(d)->queue.peers);
    own(d)->queue.peers = NULL;
    d->joined = 0;
}

const char *const sending = "sending to other ranks";

void exchange(struct device *d, int slot, const void *send, const struct communicator_block *to,
              void *receive, const struct communicator_block *from) {
    struct cuda_queue *q = &own(d)->queue;
    keep_words(q, peers_exchange(q->peers, slot, send, to, receive, from), sending);
}

void gather(struct device *d, int slot, void *data, const struct communicator_block *blocks) {
    struct cuda_queue *q = &own(d)->queue;
    keep_words(q, peers_gather(q->peers, slot, data, blocks), sending);
}

void arrive(struct device *d, int slot) {
    keep_words(&own(d)->queue, peers_arrive(own(d)->queue.peers, slot), sending);
}

struct kctx context(struct device *d) {
    struct kctx c = {};
    c.threads = 1;
    c.device = &own(d)->queue;
    return c;
}

void squares(struct device *d, int n, const struct device_range *range, const real *x,
             const real *y, double *sums) {
    const struct kctx c = context(d);
    cuda_squares(&own(d)->lists, &c, n, range, x, y, sums);
}

void adamw(struct device *d, int n, const struct device_range *range, real *value,
           const real *gradient, real *m, real *v, real b1, real b2, real eps) {
    const struct kctx c = context(d);
    const struct adam_numbers numbers = {b1, b2, eps};
    cuda_adamw_ranges(&own(d)->lists, &c, n, range, &numbers, value, gradient, m, v);
}

/* What went wrong before stays to be said. */
int record(struct device *d) {
    if (own(d)->queue.error)
        return own(d)->queue.error;
    if (own(d)->queue.dnn)
        dnn_record(own(d)->queue.dnn);
    return (int)cudaStreamBeginCapture(stream_of(d), cudaStreamCaptureModeThreadLocal);
}

/* What went wrong while it was recorded goes wrong once more when it is done, and is said then. */
void *recorded(struct device *d) {
    cudaGraph_t graph = NULL;
    cudaGraphExec_t ready = NULL;
    struct cuda_queue *q = &own(d)->queue;
    cudaError_t error = cudaStreamEndCapture(stream_of(d), &graph);
    if (error == cudaSuccess && !q->error)
        error = cudaGraphInstantiate(&ready, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    if (error != cudaSuccess || q->error)
        cudaGetLastError();
    q->error = 0;
    q->says = NULL;
    return ready;
}

void replay(struct device *d, void *recording) {
    keep(d, cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), stream_of(d)), "a graph");
}

void forget(struct device *d, void *recording) {
    if (recording)
        keep(d, cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording)), "a graph");
}

void wait(struct device *d) {
    cuda_queue_wait(&own(d)->queue, "waiting for the device");
}

/* That there is more to do is no error, but the next launch would take it for its own. */
int is_idle(struct device *d) {
    if (cudaStreamQuery(stream_of(d)) != cudaErrorNotReady)
        return 1;
    cudaGetLastError();
    return 0;
}

/* All that was done without a library so far, in one line. */
void say_note(struct device *d) {
    const struct cuda_queue *q = &own(d)->queue;
    const char *said[] = {own(d)->opened, q->dnn ? dnn_note(q->dnn) : "",
                          q->blas ? blas_note(q->blas) : ""};
    int n = 0;
    d->note = own(d)->note;
    for (const char *text : said)
        if (*text)
            n += snprintf(own(d)->note + n, sizeof own(d)->note - (size_t)n, "%s%s", n ? "; " : "",
                          text);
}

int check(struct device *d, struct error *err) {
    struct cuda_queue *q = &own(d)->queue;
    wait(d);
    if ((q->blas && *blas_note(q->blas)) || (q->dnn && *dnn_note(q->dnn) && *own(d)->opened))
        say_note(d);
    if (!q->error)
        return 0;
    int error = q->error;
    const char *says = q->says ? q->says : cudaGetErrorString((cudaError_t)error);
    q->error = 0;
    const char *dnn = q->dnn && !q->says ? dnn_error(q->dnn, error) : NULL;
    q->says = NULL;
    return error_set(err, STATUS_MACHINE, "%s: %s: %s", d->name, q->where, dnn ? dnn : says);
}

/* Copies are not held up by the queue's stream but where they ask to be. */
cudaError_t open_streams(struct cuda_device *d) {
    cudaStream_t stream;
    cudaError_t error = cudaStreamCreate(&stream);
    if (error != cudaSuccess)
        return error;
    d->queue.stream = stream;
    error = cudaStreamCreateWithFlags(&d->copies, cudaStreamNonBlocking);
    for (cudaEvent_t *event : {&d->marked, &d->sent})
        if (error == cudaSuccess)
            error = cudaEventCreateWithFlags(event, cudaEventDisableTiming);
    return error;
}

void close_streams(struct cuda_device *d) {
    for (cudaEvent_t event : {d->marked, d->sent})
        if (event)
            cudaEventDestroy(event);
    if (d->copies)
        cudaStreamDestroy(d->copies);
    if (d->queue.stream)
        cudaStreamDestroy(static_cast<cudaStream_t>(d->queue.stream));
}

__global__ void empty_kernel() {}

/* Whether this build has code for the device shows before anything depends on it. */
int begin(struct cuda_device *d, int number, struct cudaDeviceProp *about, struct error *err) {
    struct cudaFuncAttributes code;
    cudaError_t error = cudaSetDevice(number);
    if (error == cudaSuccess)
        error = cudaGetDeviceProperties(about, number);
    if (error == cudaSuccess)
        error = cudaFuncGetAttributes(&code, empty_kernel);
    if (error == cudaErrorNoKernelImageForDevice)
        return error_set(err, STATUS_MACHINE,
                         "cuda:%d: this build has no kernels for %s, compute capability %d.%d; "
                         "they can be built for 8.0 and later",
                         number, about->name, about->major, about->minor);
    if (error == cudaSuccess)
        error = cudaMallocHost(reinterpret_cast<void **>(&d->queue.answer), sizeof(double));
    if (error == cudaSuccess)
        error = open_streams(d);
    return error == cudaSuccess
               ? 0
               : error_set(err, STATUS_MACHINE, "cuda:%d: %s", number, cudaGetErrorString(error));
}

/* Without a library kernels of our own do its work. */
void open_libraries(struct cuda_device *d, enum device_math math) {
    struct cuda_queue *q = &d->queue;
    struct error blas = {}, dnn = {};
    if (math == DEVICE_OWN)
        return;
    int no_blas = blas_open(&q->blas, &d->base, q->stream, math, &blas);
    int no_dnn = dnn_open(&q->dnn, q->stream, math != DEVICE_FP32, &dnn);
    if (!no_dnn)
        d->base.note = dnn_note(q->dnn);
    if (no_blas || no_dnn) {
        d->base.note = d->opened;
        snprintf(d->opened, sizeof d->opened,
                 "%.250s%s%.250s: kernels of our own instead, which are slow", blas.message,
                 no_blas && no_dnn ? "; " : "", dnn.message);
    }
}

} // namespace

void cuda_queue_wait(struct cuda_queue *q, const char *where) {
    cudaStream_t stream = static_cast<cudaStream_t>(q->stream);
    const char *says = NULL;
    keep_error(q, q->peers ? peers_wait(q->peers, &says) : cudaStreamSynchronize(stream), where);
    keep_words(q, says, where);
}

int cuda_device_count(void) {
    int n = 0;
    if (cudaGetDeviceCount(&n) == cudaSuccess)
        return n;
    cudaGetLastError(); /* opening one says it */
    return 0;
}

int cuda_device_open(struct device **out, int number, enum device_math math, struct error *err) {
    struct cuda_device *d = static_cast<struct cuda_device *>(calloc(1, sizeof *d));
    *out = NULL;
    if (!d)
        return error_set(err, STATUS_MACHINE, "no memory");
    snprintf(d->name, sizeof d->name, "cuda:%d", number);
    d->base.name = d->name;
    d->base.kernels = kernels_cuda();
    d->base.queue = &d->queue;
    d->base.halves = math == DEVICE_BF16;
    d->base.allocate = allocate;
    d->base.release = release;
    d->base.memory = memory;
    d->base.conv_bytes = conv_bytes;
    d->base.attention_bytes = attention_bytes;
    d->base.lists = lists;
    d->base.copy_in = copy_in;
    d->base.copy_out = copy_out;
    d->base.copy = copy_there;
    d->base.send = send;
    d->base.mark = mark;
    d->base.receive = receive;
    d->base.pin = pin;
    d->base.unpin = unpin;
    d->base.invite = invite;
    d->base.join = join;
    d->base.leave = leave;
    d->base.exchange = exchange;
    d->base.gather = gather;
    d->base.arrive = arrive;
    d->base.squares = squares;
    d->base.adamw = adamw;
    d->base.record = record;
    d->base.recorded = recorded;
    d->base.replay = replay;
    d->base.forget = forget;
    d->base.wait = wait;
    d->base.idle = is_idle;
    d->base.check = check;
    struct cudaDeviceProp about;
    int status = begin(d, number, &about, err);
    if (status) {
        cudaFreeHost(d->queue.answer);
        close_streams(d);
        free(d);
        return status;
    }
    static_assert(sizeof about.uuid.bytes == DEVICE_IDENTITY, "CUDA's number of a device");
    memcpy(d->base.identity, about.uuid.bytes, sizeof d->base.identity);
    snprintf(d->description, sizeof d->description, "%s, %.1f GiB", about.name,
             (double)about.totalGlobalMem / (1 << 30));
    d->base.description = d->description;
    d->base.note = d->note;
    open_libraries(d, math);
    *out = &d->base;
    return 0;
}

void cuda_device_close(struct device *d) {
    if (!d)
        return;
    leave(d);
    blas_close(own(d)->queue.blas);
    cuda_lists_free(&own(d)->lists);
    cudaFreeHost(own(d)->queue.answer);
    dnn_close(own(d)->queue.dnn);
    close_streams(own(d));
    free(own(d));
}
