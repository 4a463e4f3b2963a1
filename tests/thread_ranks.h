/* Ranks that are threads of one process: a communicator for tests, where there need be no MPI.
 *
 *     with_ranks(3, body, self);         body(communicator, self) on each; rank 0 last to return
 *     with_ranks_on("aabb", body, self, &sent)
 *                                        four on two machines, a letter each; sent (may be NULL) is
 *                                        what each rank sent to each, in bytes
 */
#ifndef SSV_TESTS_THREAD_RANKS_H
#define SSV_TESTS_THREAD_RANKS_H

#include "core/communicator.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREAD_RANKS = 16, THREAD_SLOTS = COMMUNICATOR_SLOTS + 1 };

/* What a rank has begun in a slot: the count says which exchange of this slot it is, and so does
 * what others have taken of it. */
struct thread_slot {
    const char *send;
    char *receive;
    struct communicator_block to[THREAD_RANKS], from[THREAD_RANKS];
    long begun, taken[THREAD_RANKS]; /* taken: by this rank from each other one */
};

struct thread_sent {
    size_t bytes[THREAD_RANKS][THREAD_RANKS];
    long messages[THREAD_RANKS][THREAD_RANKS];
};

struct meeting {
    pthread_mutex_t turn;
    pthread_cond_t changed;
    int size;
    struct thread_sent sent;
    struct thread_slot slots[THREAD_RANKS][THREAD_SLOTS];
};

struct thread_rank {
    struct communicator base;
    struct meeting *meeting;
    void (*body)(struct communicator *c, void *self);
    void *self;
};

/* Late, and straight from the sender's memory: who changes it too early is found out.  Whoever gets
 * nothing from another one need not wait for that. */
static int thread_take(struct meeting *m, int rank) {
    int took = 0;
    for (int slot = 0; slot < THREAD_SLOTS; slot++)
        for (int p = 0; p < m->size; p++) {
            struct thread_slot *own = &m->slots[rank][slot], *other = &m->slots[p][slot];
            const struct communicator_block *sent = &other->to[rank], *to = &own->from[p];
            if (p == rank || own->taken[p] == own->begun)
                continue;
            if (other->begun == own->begun && sent->bytes != to->bytes)
                abort();
            if (to->bytes && other->begun < own->begun)
                continue;
            if (to->bytes)
                memcpy(own->receive + to->offset, other->send + sent->offset, to->bytes);
            m->sent.bytes[p][rank] += to->bytes;
            m->sent.messages[p][rank] += to->bytes > 0;
            own->taken[p] = own->begun;
            took = 1;
        }
    return took;
}

/* It and those that it sends to have taken what is theirs. */
static int thread_is_done(const struct meeting *m, int rank, int slot) {
    const struct thread_slot *own = &m->slots[rank][slot];
    for (int p = 0; p < m->size; p++)
        if (p != rank && (own->taken[p] < own->begun ||
                          (own->to[p].bytes && m->slots[p][slot].taken[rank] < own->begun)))
            return 0;
    return 1;
}

static void thread_start(struct communicator *c, int slot, const void *send,
                         const struct communicator_block *to, void *receive,
                         const struct communicator_block *from) {
    struct meeting *m = ((struct thread_rank *)c)->meeting;
    struct thread_slot *own = &m->slots[c->rank][slot];
    pthread_mutex_lock(&m->turn);
    if (!thread_is_done(m, c->rank, slot))
        abort();
    own->send = send;
    own->receive = receive;
    memcpy(own->to, to, sizeof *to * (size_t)c->size);
    memcpy(own->from, from, sizeof *from * (size_t)c->size);
    for (int p = 0; p < c->size; p++) /* NaN, for who looks too early */
        if (p != c->rank && from[p].bytes)
            memset(own->receive + from[p].offset, 0xff, from[p].bytes);
    own->begun++;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->turn);
}

static int thread_finish(struct communicator *c, int slot, double seconds) {
    struct meeting *m = ((struct thread_rank *)c)->meeting;
    pthread_mutex_lock(&m->turn);
    int done = thread_is_done(m, c->rank, slot), took = 1;
    while (!done && (took || seconds > 0)) {
        took = thread_take(m, c->rank);
        if (took)
            pthread_cond_broadcast(&m->changed);
        else if (seconds > 0)
            pthread_cond_wait(&m->changed, &m->turn);
        done = thread_is_done(m, c->rank, slot);
    }
    pthread_mutex_unlock(&m->turn);
    return done ? -1 : (c->rank + 1) % c->size;
}

static void thread_move(struct communicator *c) {
    (void)c;
}

static void *thread_rank_main(void *self) {
    struct thread_rank *r = self;
    r->body(&r->base, r->self);
    return NULL;
}

static void with_hosts(int n, const char *const *hosts,
                       void (*body)(struct communicator *c, void *self), void *self,
                       struct thread_sent *sent) {
    struct meeting *meeting = calloc(1, sizeof *meeting);
    struct thread_rank rank[THREAD_RANKS];
    pthread_t thread[THREAD_RANKS];
    if (!meeting)
        abort();
    meeting->size = n;
    pthread_mutex_init(&meeting->turn, NULL);
    pthread_cond_init(&meeting->changed, NULL);
    for (int i = 0; i < n; i++)
        rank[i] = (struct thread_rank){.base = {.rank = i,
                                                .size = n,
                                                .engine = "threads",
                                                .host = hosts,
                                                .seconds = 60,
                                                .start = thread_start,
                                                .finish = thread_finish,
                                                .move = thread_move},
                                       .meeting = meeting,
                                       .body = body,
                                       .self = self};
    for (int i = 1; i < n; i++)
        if (pthread_create(&thread[i], NULL, thread_rank_main, &rank[i]))
            abort();
    thread_rank_main(&rank[0]);
    for (int i = 1; i < n; i++)
        pthread_join(thread[i], NULL);
    pthread_cond_destroy(&meeting->changed);
    pthread_mutex_destroy(&meeting->turn);
    if (sent)
        *sent = meeting->sent;
    free(meeting);
}

static inline void with_ranks(int n, void (*body)(struct communicator *c, void *self), void *self) {
    const char *hosts[THREAD_RANKS];
    for (int i = 0; i < THREAD_RANKS; i++)
        hosts[i] = "here";
    with_hosts(n, hosts, body, self, NULL);
}

static inline void with_ranks_on(const char *machines,
                                 void (*body)(struct communicator *c, void *self), void *self,
                                 struct thread_sent *sent) {
    char names[THREAD_RANKS][2] = {{0}};
    const char *hosts[THREAD_RANKS] = {NULL};
    const int n = (int)strlen(machines);
    if (n > THREAD_RANKS)
        abort();
    for (int i = 0; i < n; i++) {
        names[i][0] = machines[i];
        hosts[i] = names[i];
    }
    with_hosts(n, hosts, body, self, sent);
}

#endif
