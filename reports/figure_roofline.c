/* The data of the roofline (Williams, Waterman and Patterson 2009): FLOPs a second over FLOPs a
 * byte, below what the machine was measured to do.  Bytes are the fewest that a kernel can move,
 * whatever cache they come from, so all bandwidths share one axis. */
#include "reports/figures_internal.h"
#include "reports/kernels_internal.h"

#include <math.h>
#include <string.h>

enum { LABELS = 8, CAPTION = 124, TEXT = 40 };
#define LETTER_WIDE 0.042 /* powers of ten */
#define LETTER_HIGH 0.09

enum family { PRODUCTS, ATTENTION, ELEMENTS };

static enum family family_of(const char *kernel) {
    static const char *const products[] = {"gemm", "conv2d", "channelwise"};
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
        if (!strncmp(kernel, products[i], strlen(products[i])))
            return PRODUCTS;
    return strncmp(kernel, "attention", strlen("attention")) ? ELEMENTS : ATTENTION;
}

static int is_drawn(const struct kernel_row *r) {
    return r->flops > 0 && r->bytes > 0 && r->warm > 0;
}

/* The longest call of its kernel on any shape. */
static int is_longest(const struct kernel_times *t, int i) {
    const struct kernel_row *r = &t->rows[i];
    for (int k = 0; k < t->n; k++)
        if (is_drawn(&t->rows[k]) && !strcmp(t->rows[k].kernel, r->kernel) &&
            (t->rows[k].warm > r->warm || (k < i && t->rows[k].warm == r->warm)))
            return 0;
    return 1;
}

/* Whether their names would be written over each other. */
static int collide(const struct kernel_row *a, const struct kernel_row *b) {
    double x = log10(a->flops / a->bytes) - log10(b->flops / b->bytes);
    double y = log10(a->flops / a->warm) - log10(b->flops / b->warm);
    size_t letters = strlen(x < 0 ? a->kernel : b->kernel);
    return fabs(y) < LETTER_HIGH && fabs(x) < LETTER_WIDE * (double)(letters + 1);
}

/* Of the longest calls those that are farthest below the roof, as far as there is room; named (n)
 * becomes 1. */
static void choose_names(const struct kernel_times *t, int *named) {
    memset(named, 0, (size_t)t->n * sizeof *named);
    for (int label = 0; label < LABELS; label++) {
        int best = -1;
        for (int i = 0; i < t->n; i++) {
            const struct kernel_row *r = &t->rows[i];
            int fits = is_drawn(r) && is_longest(t, i) && isfinite(r->percent_of_roof) && !named[i];
            for (int k = 0; k < t->n && fits; k++)
                fits = !named[k] || !collide(r, &t->rows[k]);
            if (fits && (best < 0 || r->percent_of_roof < t->rows[best].percent_of_roof))
                best = i;
        }
        if (best < 0)
            return;
        named[best] = 1;
    }
}

static void put_roofs(const struct kernel_times *t, FILE *dat) {
    int best = 0, last = t->n_levels - 1;
    for (int i = 1; i < t->n_levels; i++)
        if (t->level_per_second[i] > t->level_per_second[best])
            best = i;
    fputs("# roofs\n# is bandwidth\tGFLOP/s or GB/s\tname\n", dat);
    fprintf(dat, "0\t%g\tmultiply-adds\n", t->peak_flops * 1e-9);
    if (t->n_levels)
        fprintf(dat, "1\t%g\ta loop over %.0f KiB\n", t->level_per_second[best] * 1e-9,
                t->level_bytes[best] / 1024);
    if (last > best)
        fprintf(dat, "1\t%g\tover %.0f MiB\n", t->level_per_second[last] * 1e-9,
                t->level_bytes[last] / (1 << 20));
}

static int put_kernels(const struct kernel_times *t, FILE *dat, struct arena *a) {
    int n = 0, *named = ARENA_ARRAY(a, int, t->n);
    choose_names(t, named);
    fputs(
        "\n\n# kernels\n# FLOP/byte\tGFLOP/s\tat the upper quartile of time\tat the lower\tfamily\t"
        "named\tname\n",
        dat);
    for (int i = 0; i < t->n; i++) {
        const struct kernel_row *r = &t->rows[i];
        if (!is_drawn(r))
            continue;
        const double g = r->flops * 1e-9;
        fprintf(dat, "%g\t%g\t%g\t%g\t%d\t%d\t%s\n", r->flops / r->bytes, g / r->warm, g / r->q3,
                g / r->q1, (int)family_of(r->kernel), named[i], figure_text(r->kernel, TEXT, a));
        n++;
    }
    return n;
}

int figure_roofline(const void *data, FILE *dat) {
    const struct kernel_history *h = data;
    const struct kernel_times *t = &h->file[h->n - 1];
    struct arena a = {0};
    fputs("# What roofline.gp draws; written again by each report.  Columns are separated by "
          "tabs.\n\n\n",
          dat);
    put_roofs(t, dat);
    int n = put_kernels(t, dat, &a);
    figure_caption(
        arena_printf(&a,
                     "Kernels on %d thread%s of %s, %s, commit %.12s: median of warm calls, bars "
                     "from quartile to quartile; bytes are the fewest that a call can move. Named: "
                     "the longest calls that are farthest below the roof.",
                     t->threads, t->threads == 1 ? "" : "s",
                     t->machine.env_cpu ? t->machine.env_cpu : "?", t->machine.created_utc,
                     t->machine.code_commit ? t->machine.code_commit : "?"),
        CAPTION, dat, &a);
    arena_free(&a);
    return t->peak_flops > 0 ? n : 0;
}
