/* nccl_standin.c -- NCCL's part in kernels/cuda/peers.c, between processes on one machine, on the
 * emulator's memory.
 *
 * A message is a file in a folder that the unique id names: "0-1-7" is the seventh from rank 0 to
 * rank 1.  As with the library, a group is work of the stream, in which other ranks' messages are
 * waited for, and a call can be in progress until the stream has come to it.
 */
#include "kernels/cuda/nccl_library.h"
#include "tests/cuda/emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = NCCL_UNIQUE_ID_BYTES + 64 };

struct ncclComm {
    char folder[NCCL_UNIQUE_ID_BYTES];
    int rank, size, given_up;
    unsigned *sent, *received; /* (size) messages so far */
    unsigned put, begun, done; /* groups */
    cudaStream_t stream;       /* of the last one */
};

struct message {
    const void *from; /* NULL: one that comes */
    void *to;
    size_t bytes;
    char file[PATH];
};

struct group {
    ncclComm_t comm;
    cudaStream_t stream;
    int n, room;
    struct message *messages;
};

/* Between ncclGroupStart and ncclGroupEnd. */
static struct group *open_group;

static _Noreturn void die(const char *what, const char *file) {
    fprintf(stderr, "stand-in for NCCL: %s %s\n", what, file);
    abort();
}

static int is_there(const char *file) {
    struct stat about;
    return !stat(file, &about);
}

/* All of it or nothing. */
static void write_file(const char *file, const void *data, size_t bytes) {
    char unready[PATH + 8];
    snprintf(unready, sizeof unready, "%s.unready", file);
    FILE *f = fopen(unready, "wb");
    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f) || rename(unready, file))
        die("cannot write", file);
}

static void read_file(const char *file, void *data, size_t bytes) {
    FILE *f = fopen(file, "rb");
    if (!f || fread(data, 1, bytes, f) != bytes || fgetc(f) != EOF)
        die("another number of bytes than were sent is received in", file);
    fclose(f);
    unlink(file);
}

/* ---- a communicator ---- */

const char *ncclGetErrorString(ncclResult_t result) {
    return result == ncclInvalidUsage ? "invalid usage" : "emulated result";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *out) {
    const char *where = getenv("TMPDIR");
    *out = (ncclUniqueId){{0}};
    snprintf(out->internal, sizeof out->internal, "%s/nccl-XXXXXX", where ? where : "/tmp");
    return mkdtemp(out->internal) ? ncclSuccess : ncclSystemError;
}

static void name_rank(char *out, const struct ncclComm *c, int rank) {
    snprintf(out, PATH, "%s/rank-%d", c->folder, rank);
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *out, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t *config) {
    char file[PATH];
    struct ncclComm *c = *out = calloc(1, sizeof *c);
    if (!c || config->blocking)
        return ncclInvalidArgument;
    memcpy(c->folder, id.internal, sizeof c->folder);
    c->rank = rank;
    c->size = size;
    c->sent = calloc((size_t)size, sizeof *c->sent);
    c->received = calloc((size_t)size, sizeof *c->received);
    name_rank(file, c, rank);
    if (!c->sent || !c->received || is_there(file))
        return ncclInvalidUsage;
    write_file(file, "", 0);
    return ncclInProgress;
}

static int all_are_there(const struct ncclComm *c) {
    char file[PATH];
    for (int p = 0; p < c->size; p++) {
        name_rank(file, c, p);
        if (!is_there(file))
            return 0;
    }
    return 1;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *out) {
    if (comm->begun < comm->put)
        emulated_go_on(comm->stream);
    *out = comm->begun < comm->put || !all_are_there(comm) ? ncclInProgress : ncclSuccess;
    return ncclSuccess;
}

/* Groups that are in a stream still know it. */
static void release(struct ncclComm *c) {
    if (!c->given_up || c->done < c->put)
        return;
    free(c->sent);
    free(c->received);
    free(c);
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
    comm->given_up = 1;
    release(comm);
    return ncclSuccess;
}

/* ---- groups ---- */

ncclResult_t ncclGroupStart(void) {
    if (open_group)
        return ncclInvalidUsage;
    open_group = calloc(1, sizeof *open_group);
    return open_group ? ncclSuccess : ncclSystemError;
}

static void add(ncclComm_t comm, cudaStream_t stream, struct message m, int from, int to,
                unsigned number) {
    struct group *g = open_group;
    if (g->n == g->room) {
        g->room = 2 * g->room + 8;
        g->messages = realloc(g->messages, sizeof m * (size_t)g->room);
        if (!g->messages)
            die("out of memory", comm->folder);
    }
    snprintf(m.file, sizeof m.file, "%s/%d-%d-%u", comm->folder, from, to, number);
    g->messages[g->n++] = m;
    g->comm = comm;
    g->stream = stream;
}

ncclResult_t ncclSend(const void *from, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
    if (!open_group || type != ncclInt8 || peer == comm->rank || comm->given_up)
        return ncclInvalidUsage;
    add(comm, stream, (struct message){.from = from, .bytes = count}, comm->rank, peer,
        ++comm->sent[peer]);
    return ncclSuccess;
}

ncclResult_t ncclRecv(void *to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
    if (!open_group || type != ncclInt8 || peer == comm->rank || comm->given_up)
        return ncclInvalidUsage;
    add(comm, stream, (struct message){.to = to, .bytes = count}, peer, comm->rank,
        ++comm->received[peer]);
    return ncclSuccess;
}

/* In place, as peers.c has it. */
ncclResult_t ncclBroadcast(const void *from, void *to, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
    ncclResult_t said = from == to ? ncclSuccess : ncclInvalidUsage;
    if (comm->rank != root)
        return said ? said : ncclRecv(to, count, type, root, comm, stream);
    for (int p = 0; p < comm->size && !said; p++)
        if (p != root)
            said = ncclSend(from, count, type, p, comm, stream);
    return said;
}

/* The group's work in the stream: what is sent is read, all that comes is there, and is written. */
static void begin(void *self) {
    struct group *g = *(struct group **)self;
    for (int i = 0; i < g->n && !g->comm->given_up; i++)
        if (g->messages[i].from)
            write_file(g->messages[i].file, g->messages[i].from, g->messages[i].bytes);
    g->comm->begun++;
}

static int is_ready(void *self) {
    const struct group *g = self;
    for (int i = 0; i < g->n && !g->comm->given_up; i++)
        if (g->messages[i].to && !is_there(g->messages[i].file))
            return 0;
    return 1;
}

static void end(void *self) {
    struct group *g = *(struct group **)self;
    for (int i = 0; i < g->n && !g->comm->given_up; i++)
        if (g->messages[i].to)
            read_file(g->messages[i].file, g->messages[i].to, g->messages[i].bytes);
    g->comm->done++;
    release(g->comm);
    free(g->messages);
    free(g);
}

ncclResult_t ncclGroupEnd(void) {
    struct group *g = open_group;
    open_group = NULL;
    if (!g || !g->comm) {
        free(g);
        return g ? ncclSuccess : ncclInvalidUsage;
    }
    ncclComm_t comm = g->comm;
    comm->put++;
    comm->stream = g->stream;
    emulated_work(g->stream, begin, &g, sizeof g);
    emulated_hold(g->stream, is_ready, g);
    emulated_work(g->stream, end, &g, sizeof g);
    return ncclInProgress;
}

int nccl_load(struct nccl_library *out, struct error *err) {
    (void)err;
#define F(name) out->name = name;
    NCCL_FUNCTIONS(F)
#undef F
    return 0;
}
