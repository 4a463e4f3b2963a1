#include "reports/watch.h"

#include "core/arena.h"
#include "core/file.h"
#include "results/run.h"
#include "results/stats.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEIGHTS = 8, RECENT = 50 };

void watch_curve(const double *x, long n, int bins, int *height) {
    double least = INFINITY, most = -INFINITY;
    double *mean = malloc(sizeof *mean * (size_t)(bins > 0 ? bins : 1));
    CHECK(mean, "no memory for %d bins", bins);
    for (int b = 0; b < bins; b++) {
        double sum = 0;
        long used = 0;
        for (long i = n * b / bins; i < n * (b + 1) / bins; i++)
            if (isfinite(x[i])) {
                sum += x[i];
                used++;
            }
        mean[b] = used ? sum / (double)used : NAN;
        if (used) {
            least = fmin(least, mean[b]);
            most = fmax(most, mean[b]);
        }
    }
    for (int b = 0; b < bins; b++) {
        double share = most > least ? (mean[b] - least) / (most - least) : 0;
        height[b] = isnan(mean[b]) ? -1 : (int)lround(share * (HEIGHTS - 1));
    }
    free(mean);
}

/* ---- one run ---- */

struct look {
    const char *id, *status;
    long step, steps; /* steps 0: not known */
    double loss, img_per_s;
    double *losses; /* (n) */
    long n;
};

static int read_run(const char *folder, const char *id, struct arena *a, struct look *l,
                    struct error *err) {
    const char *journal = arena_printf(a, "%s/%s/journal.jsonl", folder, id);
    const char *h5 = arena_printf(a, "%s/%s/run.h5", folder, id);
    struct step_row *rows;
    struct error ignored; /* a watcher looks; `verify` judges */
    struct run r = {0};
    double steps;
    int status = journal_read(journal, a, &rows, &l->n, err);
    if (!status)
        status = journal_find(journal, "start", "steps", &steps, err);
    if (status)
        return status;
    l->id = id;
    l->steps = isnan(steps) ? 0 : (long)steps;
    l->status =
        file_exists(h5) && !run_read(&r, h5, &ignored) ? arena_strdup(a, r.status) : "begins";
    if (!l->n) { /* the journal was lost, or left behind */
        rows = r.steps;
        l->n = r.n_steps;
    }
    l->losses = ARENA_ARRAY(a, double, l->n);
    for (long i = 0; i < l->n; i++)
        l->losses[i] = rows[i].loss;
    l->step = l->n ? rows[l->n - 1].step : 0;
    l->loss = l->n ? rows[l->n - 1].loss : NAN;
    double rates[RECENT];
    int recent = l->n < RECENT ? (int)l->n : RECENT;
    for (int i = 0; i < recent; i++)
        rates[i] = rows[l->n - recent + i].img_per_s;
    l->img_per_s = recent ? median(rates, recent) : NAN;
    run_free(&r);
    return 0;
}

static void print_curve(const struct look *l, int bins, unsigned look, FILE *out) {
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = "_.-=+*%#";
    struct arena a = {0};
    int *height = ARENA_ARRAY(&a, int, bins + 1);
    bins = l->n < bins ? (int)l->n : bins;
    watch_curve(l->losses, l->n, bins, height);
    for (int b = 0; b < bins; b++) {
        if (height[b] < 0)
            fputc('?', out);
        else if (look & WATCH_BLOCKS)
            fputs(blocks[height[b]], out);
        else
            fputc(ascii[height[b]], out);
    }
    arena_free(&a);
}

static void print_run(const struct look *l, int id_width, int bins, unsigned look, FILE *out) {
    static const struct {
        const char *status, *colour;
    } colours[] = {{"complete", "32"}, {"partial", "32"}, {"running", "36"}, {"failed", "31"}};
    const char *colour = NULL;
    for (size_t i = 0; i < sizeof colours / sizeof *colours && look & WATCH_COLOUR; i++)
        if (!strcmp(colours[i].status, l->status))
            colour = colours[i].colour;
    fprintf(out, "%-*s  ", id_width, l->id);
    if (colour)
        fprintf(out, "\033[%sm%-11s\033[0m", colour, l->status);
    else
        fprintf(out, "%-11s", l->status);
    if (l->steps)
        fprintf(out, " %7ld/%-7ld %3.0f %%", l->step, l->steps,
                100.0 * (double)l->step / (double)l->steps);
    else
        fprintf(out, " %7ld%14s", l->step, "");
    if (l->n) {
        fprintf(out, " %10.4g %7.0f  ", l->loss, l->img_per_s);
        print_curve(l, bins, look, out);
    }
    fputc('\n', out);
}

/* ---- all of them ---- */

static int by_name(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int is_run(const char *folder, const char *name, struct arena *a) {
    return file_exists(arena_printf(a, "%s/%s/journal.jsonl", folder, name)) ||
           file_exists(arena_printf(a, "%s/%s/run.h5", folder, name));
}

static int list(const char *folder, struct arena *a, char ***names, int *n, struct error *err) {
    DIR *d = opendir(folder);
    int room = 0;
    *n = 0;
    *names = NULL;
    if (!d)
        return error_set(err, STATUS_USAGE, "%s: %s; watch needs the folder of a suite's results",
                         folder, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(d));) {
        if (*entry->d_name == '.' || !is_run(folder, entry->d_name, a))
            continue;
        if (*n == room) {
            char **more = ARENA_ARRAY(a, char *, room = 2 * room + 16);
            if (*n)
                memcpy(more, *names, sizeof *more * (size_t)*n);
            *names = more;
        }
        (*names)[(*n)++] = arena_strdup(a, entry->d_name);
    }
    closedir(d);
    if (*n)
        qsort(*names, (size_t)*n, sizeof **names, by_name);
    return 0;
}

int watch_print(const char *folder, int width, unsigned look, FILE *out, struct error *err) {
    enum { FIXED = 55, LEAST = 8 }; /* the columns but for name and curve */
    struct arena a = {0};
    char **names;
    int n, id_width = 3, status = 0;
    TRY(list(folder, &a, &names, &n, err));
    for (int i = 0; i < n; i++)
        id_width = (int)strlen(names[i]) > id_width ? (int)strlen(names[i]) : id_width;
    int bins = width - FIXED - id_width > LEAST ? width - FIXED - id_width : LEAST;
    fprintf(out, "%-*s  %-11s %15s %5s %10s %7s  %s\n", id_width, "run", "status", "step", "",
            "loss", "img/s", "loss over time");
    for (int i = 0; i < n; i++) {
        struct look l = {.n = 0};
        struct arena scratch = {0};
        struct error why;
        if (read_run(folder, names[i], &scratch, &l, &why))
            fprintf(out, "%-*s  %s\n", id_width, names[i], why.message);
        else
            print_run(&l, id_width, bins, look, out);
        arena_free(&scratch);
    }
    if (!n)
        fprintf(out, "no run in %s yet\n", folder);
out:
    arena_free(&a);
    return status;
}
