/* listings.h -- the tables that runs make: `ssvbench export` and the tables of the page.
 *
 *     const struct summary s = summary_of(runs, n, &a);
 *     const struct listing_source *source = listing_source_find("results");
 *     struct listing *l = source->make(&(struct listing_input){runs, n, &s}, &a);
 *
 * listing_list.c has the list; a new table is a function and a line there.
 */
#ifndef SSV_REPORTS_LISTINGS_H
#define SSV_REPORTS_LISTINGS_H

#include "core/error.h"
#include "reports/listing.h"
#include "results/run.h"

struct summary;

struct listing_input {
    struct run *const *runs;
    int n_runs;
    const struct summary *summary; /* of these runs */
};

/* The part of a page that a table stands in. */
enum listing_part { PART_RESULTS, PART_SETTINGS, PART_ORIGIN };

struct listing_source {
    const char *name, *help;
    enum listing_part part;
    struct listing *(*make)(const struct listing_input *in, struct arena *a);
};

/* Ends with one without a name. */
extern const struct listing_source listing_sources[];
/* NULL: there is none of that name. */
const struct listing_source *listing_source_find(const char *name);
/* The table of a name from runs; status 2, with the nearest name and all of them, if there is
 * none. */
int listing_of_runs(const char *name, struct run *const *runs, int n_runs, struct arena *a,
                    struct listing **out, struct error *err);
/* FOLDER/NAME.SUFFIX of every table, in one format. */
int listings_save(struct run *const *runs, int n_runs, enum listing_format f, const char *folder,
                  struct error *err);

#endif
