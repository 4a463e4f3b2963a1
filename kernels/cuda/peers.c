#include "kernels/cuda/peers.h"

#include "core/clock.h"
#include "core/communicator.h"
#include "kernels/cuda/nccl_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peers {
    struct nccl_library nccl;
    ncclComm_t comm;             /* NULL: given up */
    cudaStream_t stream, beside; /* the device's work; what travels */
    cudaEvent_t asked, there[COMMUNICATOR_SLOTS + 1];
    int rank, size;
    double seconds;
    char says[160];
};

_Static_assert(sizeof(ncclUniqueId) == DEVICE_INVITATION, "an invitation is NCCL's unique id");

/* $SSVBENCH_NCCL can say that there is none, also where a test has its own. */
static int load(struct nccl_library *nccl, struct error *err) {
    const char *asked = getenv("SSVBENCH_NCCL");
    if (!asked || strcmp(asked, "none") != 0)
        return nccl_load(nccl, err);
    error_set(err, STATUS_MACHINE, "no NCCL: SSVBENCH_NCCL is \"none\"");
    return STATUS_MACHINE;
}

int peers_invite(char *invitation, struct error *err) {
    struct nccl_library nccl;
    ncclUniqueId id;
    int status = load(&nccl, err);
    if (status || !invitation)
        return status;
    ncclResult_t said = nccl.ncclGetUniqueId(&id);
    if (said != ncclSuccess)
        return error_set(err, STATUS_MACHINE, "NCCL: %s", nccl.ncclGetErrorString(said));
    memcpy(invitation, id.internal, sizeof id.internal);
    return 0;
}

/* What was under way ends, on the device too. */
static int give_up(struct peers *p) {
    if (p->comm)
        p->nccl.ncclCommAbort(p->comm);
    p->comm = NULL;
    return STATUS_MACHINE;
}

static int fail(struct peers *p, ncclResult_t said) {
    snprintf(p->says, sizeof p->says, "NCCL: %s", p->nccl.ncclGetErrorString(said));
    return give_up(p);
}

static int failed(struct peers *p, cudaError_t error) {
    if (error == cudaSuccess)
        return 0;
    snprintf(p->says, sizeof p->says, "%s", cudaGetErrorString(error));
    return give_up(p);
}

static int is_late(struct peers *p, double waited) {
    if (waited <= p->seconds)
        return 0;
    snprintf(p->says, sizeof p->says,
             "NCCL: another rank's device has not answered for %.4g s (--rank_seconds)",
             p->seconds);
    return give_up(p);
}

/* NCCL goes on by itself after most calls, and takes the next one when it is through. */
static int settle(struct peers *p, ncclResult_t said) {
    double start = clock_seconds();
    while (said == ncclInProgress) {
        double waited = clock_seconds() - start;
        if (is_late(p, waited))
            return STATUS_MACHINE;
        clock_rest(waited);
        ncclResult_t asked = p->nccl.ncclCommGetAsyncError(p->comm, &said);
        said = asked == ncclSuccess ? said : asked;
    }
    return said == ncclSuccess ? 0 : fail(p, said);
}

static cudaError_t open_streams(struct peers *p) {
    cudaError_t error = cudaStreamCreateWithFlags(&p->beside, cudaStreamNonBlocking);
    for (int i = 0; i <= COMMUNICATOR_SLOTS && error == cudaSuccess; i++)
        error = cudaEventCreateWithFlags(&p->there[i], cudaEventDisableTiming);
    return error == cudaSuccess ? cudaEventCreateWithFlags(&p->asked, cudaEventDisableTiming)
                                : error;
}

static void close_streams(struct peers *p) {
    if (p->asked)
        cudaEventDestroy(p->asked);
    for (int i = 0; i <= COMMUNICATOR_SLOTS; i++)
        if (p->there[i])
            cudaEventDestroy(p->there[i]);
    if (p->beside)
        cudaStreamDestroy(p->beside);
}

static int join(struct peers *p, const struct device_party *party, struct error *err) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId id;
    int status = load(&p->nccl, err);
    if (status)
        return status;
    cudaError_t error = open_streams(p);
    if (error != cudaSuccess)
        return error_set(err, STATUS_MACHINE, "%s", cudaGetErrorString(error));
    config.blocking = 0;
    memcpy(id.internal, party->invitation, sizeof id.internal);
    if (settle(p, p->nccl.ncclCommInitRankConfig(&p->comm, p->size, id, p->rank, &config)))
        return error_set(err, STATUS_MACHINE, "%s", p->says);
    return 0;
}

int peers_join(struct peers **out, const struct device_party *party, cudaStream_t stream,
               struct error *err) {
    struct peers *p = *out = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, STATUS_MACHINE, "no memory");
    p->stream = stream;
    p->rank = party->rank;
    p->size = party->size;
    p->seconds = party->seconds;
    int status = join(p, party, err);
    if (status) {
        peers_leave(p);
        *out = NULL;
    }
    return status;
}

/* Not ncclCommDestroy, which waits for ranks that may be gone: what was asked for is done. */
void peers_leave(struct peers *p) {
    if (!p)
        return;
    if (p->comm)
        p->nccl.ncclCommAbort(p->comm);
    close_streams(p);
    free(p);
}

static ncclResult_t first_of(ncclResult_t a, ncclResult_t b) {
    return a == ncclSuccess || a == ncclInProgress ? b : a;
}

/* A group sees what was asked of the device before. */
static int begin_group(struct peers *p) {
    return failed(p, cudaEventRecord(p->asked, p->stream)) ||
           failed(p, cudaStreamWaitEvent(p->beside, p->asked, 0)) ||
           settle(p, p->nccl.ncclGroupStart());
}

static const char *end_group(struct peers *p, int slot, ncclResult_t said) {
    said = first_of(said, p->nccl.ncclGroupEnd());
    if (settle(p, said) || failed(p, cudaEventRecord(p->there[slot], p->beside)))
        return p->says;
    return NULL;
}

const char *peers_exchange(struct peers *p, int slot, const void *send,
                           const struct communicator_block *to, void *receive,
                           const struct communicator_block *from) {
    ncclResult_t said = ncclSuccess;
    if (!p->comm || begin_group(p))
        return p->says;
    for (int i = 1; i < p->size; i++) {
        int next = (p->rank + i) % p->size, last = (p->rank + p->size - i) % p->size;
        if (to[next].bytes)
            said = first_of(said,
                            p->nccl.ncclSend((const char *)send + to[next].offset, to[next].bytes,
                                             ncclInt8, next, p->comm, p->beside));
        if (from[last].bytes)
            said = first_of(said,
                            p->nccl.ncclRecv((char *)receive + from[last].offset, from[last].bytes,
                                             ncclInt8, last, p->comm, p->beside));
    }
    return end_group(p, slot, said);
}

/* Broadcasts, which between machines send a block once and not once for each rank. */
const char *peers_gather(struct peers *p, int slot, void *data,
                         const struct communicator_block *blocks) {
    ncclResult_t said = ncclSuccess;
    if (!p->comm || begin_group(p))
        return p->says;
    for (int i = 0; i < p->size; i++) {
        char *block = (char *)data + blocks[i].offset;
        if (blocks[i].bytes)
            said = first_of(said, p->nccl.ncclBroadcast(block, block, blocks[i].bytes, ncclInt8, i,
                                                        p->comm, p->beside));
    }
    return end_group(p, slot, said);
}

const char *peers_arrive(struct peers *p, int slot) {
    if (!p->comm || failed(p, cudaStreamWaitEvent(p->stream, p->there[slot], 0)))
        return p->says;
    return NULL;
}

/* An error that NCCL found meanwhile, such as a connection that broke. */
static int is_broken(struct peers *p) {
    ncclResult_t said = ncclSuccess;
    p->nccl.ncclCommGetAsyncError(p->comm, &said);
    return said == ncclSuccess || said == ncclInProgress ? 0 : fail(p, said);
}

cudaError_t peers_wait(struct peers *p, const char **says) {
    double start = clock_seconds();
    *says = NULL;
    while (p->comm) {
        cudaError_t now = cudaStreamQuery(p->stream);
        if (now != cudaErrorNotReady)
            return now;
        cudaGetLastError(); /* which is no error, but the next launch would take it for its own */
        double waited = clock_seconds() - start;
        if (is_late(p, waited) || is_broken(p))
            *says = p->says;
        else
            clock_rest(waited);
    }
    return cudaStreamSynchronize(p->stream);
}
