#include "reports/gallery_internal.h"

#include "core/file.h"
#include "core/log.h"
#include "reports/text_internal.h"

#include <inttypes.h>
#include <string.h>

enum { READ_MOST = 64 }; /* files: each is some MB in memory */

static const char *path_of(const struct run *run, struct arena *a) {
    return run->folder ? arena_printf(a, "%s/" SAMPLES_FILE, run->folder) : NULL;
}

/* The lowest seed of the row on the dataset that has a file, or NULL. */
static const struct run *choose(const struct summary_row *row, const char *dataset,
                                struct arena *a) {
    const struct run *best = NULL;
    for (int i = 0; i < row->n_runs; i++) {
        const struct run *run = row->run[i];
        const char *path = path_of(run, a);
        if (!strcmp(run->dataset, dataset) && (!best || run->seed < best->seed) && path &&
            file_exists(path))
            best = run;
    }
    return best;
}

static void add(struct gallery *g, const struct summary *s, const struct summary_row *row,
                const struct run *run) {
    struct samples *samples = ARENA_NEW(s->a, struct samples);
    struct error why;
    if (samples_read(samples, path_of(run, s->a), &why)) {
        log_message(LOG_WARN, "%s", why.message);
        return;
    }
    arena_adopt(s->a, &samples->arena);
    const char *parts[] = {s->several_backbones ? row->backbone : "", row->variant}, *rest = "";
    const char *method = text_clean(row->method, s->a);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (*parts[i])
            rest = arena_printf(s->a, "%s%s%s", rest, *rest ? " · " : "", parts[i]);
    g->run[g->n++] = (struct gallery_run){
        .method = run_is_complete(run) ? method : arena_printf(s->a, "%s *", method),
        .rest = text_clean(rest, s->a),
        .dataset = run->dataset,
        .marked = !run_is_complete(run),
        .run = run,
        .samples = samples};
}

/* Of every dataset, in the order in which they come, every row. */
static void read_all(const struct summary *s, struct gallery *g) {
    const char **datasets;
    int n = 0, most = 0;
    for (int r = 0; r < s->n_rows; r++)
        most += s->row[r].n_runs;
    datasets = ARENA_ARRAY(s->a, const char *, most);
    for (int r = 0; r < s->n_rows; r++)
        for (int i = 0; i < s->row[r].n_runs; i++) {
            int known = 0;
            for (int d = 0; d < n; d++)
                known |= !strcmp(datasets[d], s->row[r].run[i]->dataset);
            if (!known)
                datasets[n++] = s->row[r].run[i]->dataset;
        }
    g->run = ARENA_ARRAY(s->a, struct gallery_run, READ_MOST);
    for (int d = 0; d < n; d++)
        for (int r = 0; r < s->n_rows && g->n < READ_MOST; r++) {
            const struct run *run = choose(&s->row[r], datasets[d], s->a);
            if (run)
                add(g, s, &s->row[r], run);
        }
}

const struct gallery_run **gallery_of(const struct report_input *in, gallery_has *has, int *n,
                                      int *left_out) {
    const struct summary *s = in->summary;
    const struct gallery_run **some = ARENA_ARRAY(s->a, const struct gallery_run *, GALLERY_MOST);
    struct gallery *g = in->gallery;
    *n = *left_out = 0;
    if (!g->is_read) {
        g->is_read = 1;
        read_all(s, g);
    }
    for (int i = 0; i < g->n; i++) {
        if (!has(g->run[i].samples))
            continue;
        if (*n < GALLERY_MOST)
            some[(*n)++] = &g->run[i];
        else
            ++*left_out;
    }
    return some;
}

const char *gallery_remarks(const struct report_input *in, const struct gallery_run *const *run,
                            int n, int left_out) {
    const struct summary *s = in->summary;
    int same = 1, marked = 0;
    const char *seeds = "";
    for (int i = 0; i < n; i++) {
        same &= run[i]->run->seed == run[0]->run->seed;
        marked |= run[i]->marked;
        seeds = arena_printf(s->a, "%s%s%" PRId64, seeds, i ? ", " : "", run[i]->run->seed);
    }
    const char *text = same
                           ? arena_printf(s->a, " Pretraining seed %" PRId64 ".", run[0]->run->seed)
                           : arena_printf(s->a, " Pretraining seeds %s.", seeds);
    const char *common = summary_common(s);
    if (*common)
        text = arena_printf(s->a, "%s Encoder: %s.", text, common);
    if (marked)
        text = arena_printf(s->a, "%s *: of a run that is not complete.", text);
    return arena_printf(s->a, "%s%s", text, summary_left_out(s, left_out));
}

const char *gallery_rest(const struct report_input *in, const struct gallery_run *run,
                         int with_dataset) {
    return with_dataset ? arena_printf(in->summary->a, "%s%s%s", run->rest, *run->rest ? " · " : "",
                                       run->dataset)
                        : run->rest;
}

const char *gallery_label(const struct report_input *in, const struct gallery_run *run,
                          int with_dataset) {
    const char *rest = gallery_rest(in, run, with_dataset);
    return arena_printf(in->summary->a, "%s%s%s", run->method, *rest ? " · " : "", rest);
}

int gallery_n_datasets(const struct gallery_run *const *run, int n) {
    int datasets = 0;
    for (int i = 0; i < n; i++)
        datasets += !i || strcmp(run[i]->dataset, run[i - 1]->dataset) != 0;
    return datasets;
}
