/* The tables of verdicts and ranks among those that can be exported. */
#include "reports/listings_internal.h"

#include "reports/leaderboard.h"
#include "reports/verdicts.h"

static struct listing *kept(struct listing l, struct arena *a) {
    struct listing *to = ARENA_NEW(a, struct listing);
    *to = l;
    return to;
}

struct listing *listing_verdicts(const struct listing_input *in, struct arena *a) {
    const struct verdicts v = verdicts_against_random(in->summary, VERDICT_MARGIN);
    return kept(verdicts_listing(in->summary, &v, "verdicts", "Against the untrained encoder",
                                 "the methods of a task"),
                a);
}

struct listing *listing_pairs(const struct listing_input *in, struct arena *a) {
    const struct verdicts v = verdicts_among_methods(in->summary, VERDICT_MARGIN);
    return kept(verdicts_listing(in->summary, &v, "pairs", "Methods without labels in pairs",
                                 "the pairs of a task"),
                a);
}

struct listing *listing_leaderboard(const struct listing_input *in, struct arena *a) {
    return kept(leaderboard_listing(in->summary, 0), a);
}
