#include "reports/listings_internal.h"

#include "core/file.h"
#include "core/options.h"
#include "reports/summary_internal.h"

#include <string.h>

/* In the order of the page. */
const struct listing_source listing_sources[] = {
    {"methods", "a line a method, a column a protocol: mean and interval", PART_RESULTS,
     listing_methods},
    {"results", "a line for each method and protocol: mean, interval, difference to random",
     PART_RESULTS, listing_results},
    {"verdicts",
     "each method against random: better, equivalent or undecided, and what could be found",
     PART_RESULTS, listing_verdicts},
    {"pairs", "each two methods that learn without labels against each other", PART_RESULTS,
     listing_pairs},
    {"leaderboard", "methods ranked across tasks", PART_RESULTS, listing_leaderboard},
    {"budgets", "what each method's pretraining had of images, FLOPs and time", PART_SETTINGS,
     listing_budgets},
    {"settings", "options in which methods differ", PART_SETTINGS, listing_settings},
    {"data", "datasets: content, split, what an audit found", PART_ORIGIN, listing_data},
    {"environments", "the machines and versions that results come from", PART_ORIGIN,
     listing_environments},
    {"runs", "every run: status, version, budget", PART_ORIGIN, listing_runs},
    {"seeds", "a line for each run, protocol and probe seed, as `report csv`", PART_ORIGIN,
     listing_seeds},
    {NULL, NULL, PART_RESULTS, NULL},
};

const struct listing_source *listing_source_find(const char *name) {
    for (const struct listing_source *s = listing_sources; s->name; s++)
        if (!strcmp(s->name, name))
            return s;
    return NULL;
}

static int no_such_table(const char *name, struct arena *a, struct error *err) {
    enum { MOST = 64 };
    const char *names[MOST], *valid = "";
    int n = 0;
    for (const struct listing_source *s = listing_sources; s->name && n < MOST; s++) {
        valid = arena_printf(a, "%s%s%s", valid, n ? ", " : "", s->name);
        names[n++] = s->name;
    }
    const char *near = nearest_name(name, names, n);
    return error_set(err, STATUS_USAGE, "there is no table \"%.100s\"%s%s%s; there are: %s", name,
                     near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", valid);
}

int listing_of_runs(const char *name, struct run *const *runs, int n_runs, struct arena *a,
                    struct listing **out, struct error *err) {
    const struct listing_source *source = listing_source_find(name);
    if (!source)
        return no_such_table(name, a, err);
    const struct summary s = summary_of(runs, n_runs, a);
    *out = source->make(&(struct listing_input){runs, n_runs, &s}, a);
    return 0;
}

int listings_save(struct run *const *runs, int n_runs, enum listing_format f, const char *folder,
                  struct error *err) {
    struct arena a = {0};
    int status = 0;
    TRY(make_folders(folder, err));
    const struct summary s = summary_of(runs, n_runs, &a);
    const struct listing_input in = {runs, n_runs, &s};
    for (const struct listing_source *source = listing_sources; source->name; source++)
        TRY(listing_save(
            source->make(&in, &a), f,
            arena_printf(&a, "%s/%s.%s", folder, source->name, listing_format_suffix(f)), err));
out:
    arena_free(&a);
    return status;
}
