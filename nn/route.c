#include "nn/route.h"

#include <string.h>

/* The largest branches that first..end-1 consist of; returns how many. */
static int find_branches(struct branch *out, int first, int end) {
    int n = 0;
    while (first < end) {
        int lanes = 1;
        while (first % (2 * lanes) == 0 && first + 2 * lanes <= end)
            lanes *= 2;
        out[n++] = (struct branch){first, lanes};
        first += lanes;
    }
    return n;
}

/* Of `size` groups of `ranks` in a row, of which the first begins with rank `begin`; what each
 * holds is the branches of its lanes. */
static struct level level_of(struct arena *a, const int *first_lane, int begin, int ranks,
                             int size) {
    const int first = first_lane[begin], end = first_lane[begin + size * ranks];
    struct level v = {.stride = ranks,
                      .size = size,
                      .branches = ARENA_ARRAY(a, struct branch, end - first + 1),
                      .first_branch = ARENA_ARRAY(a, int, size + 1)};
    v.sums = find_branches(v.branches, first, end);
    for (int i = 0; i < size; i++) {
        const int *lane = first_lane + begin + i * ranks;
        const int before = v.first_branch[i];
        v.first_branch[i + 1] = before + find_branches(v.branches + before, lane[0], lane[ranks]);
    }
    return v;
}

void route_straight(struct route *r, struct arena *a, const struct communicator *c,
                    const int *first_lane) {
    r->n = 1;
    r->levels[0] = level_of(a, first_lane, 0, 1, c->size);
    r->levels[0].own = c->rank;
}

int route_ranks_of_machine(const struct communicator *c) {
    int n = 1;
    while (n < c->size && !strcmp(c->host[n], c->host[0]))
        n++;
    for (int p = 0; p < c->size; p++) {
        const int has_company = p && !strcmp(c->host[p], c->host[p - 1]);
        if (c->size % n || has_company != (p % n > 0))
            return 1;
    }
    return n < c->size ? n : 1;
}

void route_by_machines(struct route *r, struct arena *a, const struct communicator *c,
                       const int *first_lane) {
    const int n = route_ranks_of_machine(c), number = c->rank % n, machine = c->rank / n;
    if (n == 1) {
        route_straight(r, a, c, first_lane);
        return;
    }
    struct level *within = &r->levels[0], *between = &r->levels[1];
    r->n = 2;
    *within = level_of(a, first_lane, machine * n, 1, n);
    within->first = machine * n;
    within->own = number;
    *between = level_of(a, first_lane, 0, n, c->size / n);
    between->first = number;
    between->own = machine;
}

struct span route_slice(struct span s, int n, int i) {
    const size_t equal = (s.count + (size_t)n - 1) / (size_t)n;
    const size_t most = (equal + ROUTE_LINE - 1) / ROUTE_LINE * ROUTE_LINE;
    size_t begin = most * (size_t)i, end = begin + most;
    begin = begin < s.count ? begin : s.count;
    end = end < s.count ? end : s.count;
    return (struct span){s.begin + begin, end - begin};
}

int level_branches(const struct level *v, int i) {
    return v->first_branch[i + 1] - v->first_branch[i];
}

/* The two halves of a larger branch, one behind the other. */
static int are_one(struct branch left, struct branch right) {
    return left.lanes == right.lanes && left.first % (2 * left.lanes) == 0;
}

int level_add(const struct level *v, const struct kernels *k, const struct kctx *c, size_t n,
              real *runs, real **sums) {
    struct arena scratch = {0};
    const int branches = v->first_branch[v->size];
    struct branch *open = ARENA_ARRAY(&scratch, struct branch, branches + 1);
    int depth = 0;
    for (int i = 0; i < branches; i++) {
        sums[depth] = runs + (size_t)i * n;
        open[depth++] = v->branches[i];
        while (depth > 1 && are_one(open[depth - 2], open[depth - 1])) {
            depth--;
            k->axpby(c, n, 1, sums[depth], 1, sums[depth - 1]);
            open[depth - 1].lanes *= 2;
        }
    }
    CHECK(depth == v->sums, "%d branches instead of %d", depth, v->sums);
    arena_free(&scratch);
    return depth;
}
