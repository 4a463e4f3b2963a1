/* plugin.c -- a communicator on MPI: libssvbench_mpi.so.
 *
 * Its one operation is made of MPI_Isend and MPI_Irecv between each two ranks, not of MPI's
 * collectives: these do not say for whom they wait, spin while they do, and reduce in an order of
 * their own.  A message is sent in pieces that an int can count.
 *
 * Unless MPI has a thread of its own for that, which Open MPI does not by default, large messages
 * move on only while both sides are inside a call of it: the first piece asks, the receiver's next
 * call fetches or answers.  So every start and every move looks after all slots, and who computes
 * while something is on its way calls move now and then; what is not moved until finish is sent
 * then.  A slot has a tag of its own; within one, messages come in the order they were sent in.
 */
#include "core/clock.h"
#include "core/communicator.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 7, PIECE = 1 << 30 };

struct slot {
    MPI_Request *requests; /* (most): the n that are under way */
    int *peer;             /* (most) whom each is for */
    int n, most;
};

struct ranks {
    struct communicator base;
    MPI_Comm all;
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    char (*name)[MPI_MAX_PROCESSOR_NAME]; /* (size) */
    const char **host;
    struct slot slots[COMMUNICATOR_SLOTS + 1];
};

static void end(struct communicator *c, int status) {
    MPI_Abort(((struct ranks *)c)->all, status);
}

static MPI_Request *add(struct ranks *r, int slot, int peer) {
    struct slot *s = &r->slots[slot];
    if (s->n == s->most) {
        s->most = 2 * s->most + 16;
        s->requests = realloc(s->requests, sizeof *s->requests * (size_t)s->most);
        s->peer = realloc(s->peer, sizeof *s->peer * (size_t)s->most);
        if (!s->requests || !s->peer) {
            fprintf(stderr, "ssvbench: out of memory for messages\n");
            end(&r->base, STATUS_MACHINE);
            exit(STATUS_MACHINE);
        }
    }
    s->peer[s->n] = peer;
    return &s->requests[s->n++];
}

static int piece_of(size_t left) {
    return left < PIECE ? (int)left : PIECE;
}

static void receive_from(struct ranks *r, int slot, int peer, char *data, size_t bytes) {
    for (size_t at = 0; at < bytes; at += PIECE)
        MPI_Irecv(data + at, piece_of(bytes - at), MPI_BYTE, peer, TAG + slot, r->all,
                  add(r, slot, peer));
}

static void send_to(struct ranks *r, int slot, int peer, const char *data, size_t bytes) {
    for (size_t at = 0; at < bytes; at += PIECE)
        MPI_Isend(data + at, piece_of(bytes - at), MPI_BYTE, peer, TAG + slot, r->all,
                  add(r, slot, peer));
}

static int is_there(struct slot *s) {
    int done = 1;
    if (s->n)
        MPI_Testall(s->n, s->requests, &done, MPI_STATUSES_IGNORE);
    return done;
}

static void move(struct communicator *c) {
    struct ranks *r = (struct ranks *)c;
    for (int i = 0; i <= COMMUNICATOR_SLOTS; i++)
        is_there(&r->slots[i]);
}

static void start(struct communicator *c, int slot, const void *send,
                  const struct communicator_block *to, void *receive,
                  const struct communicator_block *from) {
    struct ranks *r = (struct ranks *)c;
    const char *out = send;
    char *in = receive;
    int size = c->size;
    r->slots[slot].n = 0;
    /* Beginning with its neighbour, so that not everybody sends to the same rank at once. */
    for (int i = 1; i < size; i++) {
        int p = (c->rank + size - i) % size;
        receive_from(r, slot, p, in + from[p].offset, from[p].bytes);
    }
    for (int i = 1; i < size; i++) {
        int p = (c->rank + i) % size;
        send_to(r, slot, p, out + to[p].offset, to[p].bytes);
    }
    move(c);
}

/* The first message that is not there decides; receiving comes first in the list. */
static int who_is_late(const struct slot *s) {
    for (int i = 0; i < s->n; i++) {
        int done = 0;
        MPI_Test(&s->requests[i], &done, MPI_STATUS_IGNORE);
        if (!done)
            return s->peer[i];
    }
    return -1;
}

static int finish(struct communicator *c, int slot, double seconds) {
    struct slot *s = &((struct ranks *)c)->slots[slot];
    double start = clock_seconds(), waited = 0;
    for (;;) {
        int done = is_there(s);
        waited = clock_seconds() - start;
        if (done)
            return -1;
        if (waited > seconds)
            return who_is_late(s);
        clock_rest(waited);
    }
}

static void release(struct ranks *r) {
    for (int i = 0; i <= COMMUNICATOR_SLOTS; i++) {
        free(r->slots[i].requests);
        free(r->slots[i].peer);
    }
    free(r->name);
    free(r->host);
    free(r);
}

static void leave(struct communicator *c) {
    struct ranks *r = (struct ranks *)c;
    MPI_Comm_free(&r->all);
    MPI_Finalize();
    release(r);
}

static int find_hosts(struct ranks *r, struct error *err) {
    size_t n = (size_t)r->base.size;
    int length;
    r->name = calloc(n, sizeof *r->name);
    r->host = calloc(n, sizeof *r->host);
    if (!r->name || !r->host)
        return error_set(err, STATUS_MACHINE, "out of memory for the names of %zu ranks", n);
    MPI_Get_processor_name(r->name[r->base.rank], &length);
    MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, r->name, MPI_MAX_PROCESSOR_NAME, MPI_CHAR,
                  r->all);
    for (size_t i = 0; i < n; i++)
        r->host[i] = r->name[i];
    r->base.host = r->host;
    return 0;
}

/* Open MPI's TCP hands a large message over in one piece of which nothing is known on the way, and
 * the leave for the other direction's queues behind it: two ranks that exchange then take turns,
 * for twice as long.  As a stream of fragments they do not.  What the user has set stays. */
static void ask_for_fragments(void) {
    setenv("OMPI_MCA_btl_tcp_flags", "9", 0); /* send, in place; neither put nor get */
}

/* "Open MPI v4.1.4, package: ..." up to the first comma. */
static void describe_engine(struct ranks *r) {
    int length = 0;
    MPI_Get_library_version(r->version, &length);
    r->version[strcspn(r->version, ",\n")] = '\0';
    r->base.engine = r->version;
}

static int open_mpi(struct communicator **out, struct error *err) {
    struct ranks *r = calloc(1, sizeof *r);
    int provided;
    *out = NULL;
    if (!r)
        return error_set(err, STATUS_MACHINE, "out of memory");
    ask_for_fragments();
    /* One thread calls; others, of OpenMP and loaders, compute.  What goes wrong inside MPI ends
     * the job with MPI's own message, as is its default. */
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_dup(MPI_COMM_WORLD, &r->all);
    MPI_Comm_rank(r->all, &r->base.rank);
    MPI_Comm_size(r->all, &r->base.size);
    describe_engine(r);
    r->base.seconds = 300;
    r->base.start = start;
    r->base.finish = finish;
    r->base.move = move;
    r->base.abort = end;
    r->base.close = leave;
    int status = find_hosts(r, err);
    if (status) {
        MPI_Finalize();
        release(r);
        return status;
    }
    *out = &r->base;
    return 0;
}

__attribute__((visibility("default"))) const struct communicator_plugin *communicator_plugin(void) {
    static const struct communicator_plugin plugin = {.abi = COMMUNICATOR_ABI, .open = open_mpi};
    return &plugin;
}
