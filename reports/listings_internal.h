/* listings_internal.h -- the functions of listing_list.c's list, a file each or two. */
#ifndef SSV_REPORTS_LISTINGS_INTERNAL_H
#define SSV_REPORTS_LISTINGS_INTERNAL_H

#include "reports/listings.h"

typedef struct listing *listing_maker(const struct listing_input *in, struct arena *a);

listing_maker listing_methods, listing_results, listing_verdicts, listing_pairs,
    listing_leaderboard, listing_budgets, listing_settings, listing_data, listing_runs,
    listing_environments, listing_seeds;

/* Why a cell of the summary has no value, in a word: "diverged", "no run". */
struct summary_cell;
const char *cell_why_empty(const struct summary_cell *cell);

#endif
