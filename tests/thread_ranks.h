/* Ranks that are threads of one process: a communicator for tests, where there need be no MPI.
 *
 *     with_ranks(3, body, self);         body(communicator, self) on each; rank 0 last to return
 */
#ifndef SSV_TESTS_THREAD_RANKS_H
#define SSV_TESTS_THREAD_RANKS_H

#include "core/communicator.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREAD_RANKS = 16 };

struct meeting {
    pthread_barrier_t barrier;
    const char *send[THREAD_RANKS];
    const struct communicator_block *to[THREAD_RANKS];
};

struct thread_rank {
    struct communicator base;
    struct meeting *meeting;
    void (*body)(struct communicator *c, void *self);
    void *self;
};

static int thread_exchange(struct communicator *c, const void *send,
                           const struct communicator_block *to, void *receive,
                           const struct communicator_block *from, double seconds) {
    struct meeting *m = ((struct thread_rank *)c)->meeting;
    (void)seconds;
    m->send[c->rank] = send;
    m->to[c->rank] = to;
    pthread_barrier_wait(&m->barrier);
    for (int p = 0; p < c->size; p++) {
        if (p == c->rank || !from[p].bytes)
            continue;
        const struct communicator_block *sent = &m->to[p][c->rank];
        if (sent->bytes != from[p].bytes)
            abort();
        memcpy((char *)receive + from[p].offset, m->send[p] + sent->offset, sent->bytes);
    }
    pthread_barrier_wait(&m->barrier);
    return -1;
}

static void *thread_rank_main(void *self) {
    struct thread_rank *r = self;
    r->body(&r->base, r->self);
    return NULL;
}

static void with_ranks(int n, void (*body)(struct communicator *c, void *self), void *self) {
    static const char *const hosts[THREAD_RANKS] = {"here", "here", "here", "here", "here", "here",
                                                    "here", "here", "here", "here", "here", "here",
                                                    "here", "here", "here", "here"};
    struct meeting meeting;
    struct thread_rank rank[THREAD_RANKS];
    pthread_t thread[THREAD_RANKS];
    pthread_barrier_init(&meeting.barrier, NULL, (unsigned)n);
    for (int i = 0; i < n; i++)
        rank[i] = (struct thread_rank){.base = {.rank = i,
                                                .size = n,
                                                .engine = "threads",
                                                .host = hosts,
                                                .seconds = 60,
                                                .exchange = thread_exchange},
                                       .meeting = &meeting,
                                       .body = body,
                                       .self = self};
    for (int i = 1; i < n; i++)
        if (pthread_create(&thread[i], NULL, thread_rank_main, &rank[i]))
            abort();
    thread_rank_main(&rank[0]);
    for (int i = 1; i < n; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&meeting.barrier);
}

#endif
