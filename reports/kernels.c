#include "reports/kernels.h"

#include "core/file.h"
#include "reports/figures_internal.h"
#include "reports/kernels_internal.h"
#include "reports/text_internal.h"
#include "results/change_points.h"
#include "results/stats.h"

#include <math.h>
#include <string.h>

/* The median of seconds[first..end-1]. */
static double level(const double *seconds, int first, int end, struct arena *a) {
    double *x = ARENA_ARRAY(a, double, end - first + 1);
    memcpy(x, seconds + first, (size_t)(end - first) * sizeof *x);
    return median(x, end - first);
}

static void find_changes(struct kernel_line *l, struct arena *a) {
    double *logs = ARENA_ARRAY(a, double, l->n + 1);
    for (int i = 0; i < l->n; i++)
        logs[i] = log(l->seconds[i]);
    l->change = ARENA_ARRAY(a, int, l->n + 1);
    l->n_changes = change_points(logs, l->n, l->change);
    l->level = ARENA_ARRAY(a, double, l->n_changes + 1);
    for (int i = 0; i <= l->n_changes; i++)
        l->level[i] =
            level(l->seconds, i ? l->change[i - 1] : 0, i < l->n_changes ? l->change[i] : l->n, a);
    for (int i = 0; i < l->n_changes; i++)
        l->largest = fmax(l->largest, fabs(log(l->level[i + 1] / l->level[i])));
}

static int is_there(const struct kernel_line *lines, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(lines[i].name, name))
            return 1;
    return 0;
}

static void follow(const struct kernel_history *h, struct kernel_line *l, struct arena *a) {
    l->file = ARENA_ARRAY(a, int, h->n);
    l->seconds = ARENA_ARRAY(a, double, h->n);
    for (int f = 0; f < h->n; f++) {
        int at = kernel_times_find(&h->file[f], l->name);
        if (at < 0)
            continue;
        l->file[l->n] = f;
        l->seconds[l->n++] = h->file[f].rows[at].warm;
    }
    find_changes(l, a);
}

struct kernel_line *kernel_lines(const struct kernel_history *h, int *n, struct arena *a) {
    int room = 0;
    for (int f = 0; f < h->n; f++)
        room += h->file[f].n;
    struct kernel_line *lines = ARENA_ARRAY(a, struct kernel_line, room + 1);
    *n = 0;
    for (int f = h->n - 1; f >= 0; f--)
        for (int i = 0; i < h->file[f].n; i++) {
            const struct kernel_row *r = &h->file[f].rows[i];
            const char *name = arena_printf(a, "%s %s %s", r->kernel, r->shape, r->backend);
            if (is_there(lines, *n, name))
                continue;
            lines[*n] = (struct kernel_line){.row = r, .name = name};
            follow(h, &lines[(*n)++], a);
        }
    return lines;
}

int kernels_csv(const struct kernel_history *h, FILE *out, struct error *err) {
    fputs("created_utc,commit,dirty,kernel,dims,shape,backend,calls,flops,bytes,distance,warm_s,"
          "warm_q1_s,warm_q3_s,cold_s,warm_joules,percent_of_roof\r\n",
          out);
    for (int f = 0; f < h->n; f++)
        for (int i = 0; i < h->file[f].n; i++) {
            const struct run *m = &h->file[f].machine;
            const struct kernel_row *r = &h->file[f].rows[i];
            const double numbers[] = {
                (double)r->calls, r->flops,  r->bytes,          r->distance, r->warm, r->q1, r->q3,
                r->cold,          r->joules, r->percent_of_roof};
            const char *const texts[] = {m->created_utc, m->code_commit, m->code_dirty ? "1" : "0",
                                         r->kernel,      r->dims,        r->shape,
                                         r->backend};
            for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
                csv_put_text(out, texts[k] ? texts[k] : "");
                fputc(',', out);
            }
            for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
                csv_put_number(out, numbers[k]);
                fputs(k + 1 < sizeof numbers / sizeof *numbers ? "," : "\r\n", out);
            }
        }
    return stream_written(out, "the times", err);
}

int kernels_history_table(const struct kernel_history *h, FILE *out, struct error *err) {
    struct arena a = {0};
    int n;
    const struct kernel_line *lines = kernel_lines(h, &n, &a);
    fprintf(out, "%-62s %5s %10s %10s %7s  changes\n", "kernel", "files", "first_us", "last_us",
            "ratio");
    for (int i = 0; i < n; i++) {
        const struct kernel_line *l = &lines[i];
        double first = l->level[0], last = l->level[l->n_changes];
        fprintf(out, "%-62s %5d %10.2f %10.2f %7.3f ", l->name, l->n, 1e6 * first, 1e6 * last,
                last / first);
        for (int k = 0; k < l->n_changes; k++) {
            const struct run *m = &h->file[l->file[l->change[k]]].machine;
            fprintf(out, " %.10s %.12s x%.3f", m->created_utc, m->code_commit,
                    l->level[k + 1] / l->level[k]);
        }
        fputc('\n', out);
    }
    arena_free(&a);
    return stream_written(out, "the times", err);
}

int kernels_figures(const struct kernel_history *h, const char *folder, struct error *err) {
    static const struct figure figures[] = {
        {"roofline", "Kernels below the machine's roof", script_roofline, figure_roofline,
         "times with FLOPs and bytes"},
        {"kernels", "Kernels whose time changed", script_kernels, figure_kernels,
         "times of two files or more"}};
    const struct drawing d = {.folder = folder, .format = ""};
    return figures_draw(figures, h->n > 1 ? 2 : 1, h, &d, err);
}
