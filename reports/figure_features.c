/* The data of the figures of features in two dimensions: principal components and t-SNE. */
#include "reports/colors_internal.h"
#include "reports/figures_internal.h"
#include "reports/gallery_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

enum { POINTS = 4000, TITLE = 20, SECOND = 25, WIDE = 40, FEW = 2, NAME = 17 };

struct map {
    const char *name, *what; /* of the files; for the caption */
    const double *(*points)(const struct sample_features *f);
    int has_shares; /* axes explain a share of the variance */
};

static const double *pca_points(const struct sample_features *f) {
    return f->pca;
}

static const double *tsne_points(const struct sample_features *f) {
    return f->tsne;
}

static int has_pca(const struct samples *s) {
    return s->features.pca != NULL;
}

static int has_tsne(const struct samples *s) {
    return s->features.tsne != NULL;
}

/* As many of each as leave the figure small. */
static int points_of(const struct sample_features *f, int panels) {
    return f->n < POINTS / panels ? f->n : POINTS / panels;
}

/* The representation of all panels; NULL where they have several. */
static const char *common_representation(const struct gallery_run *const *run, int n) {
    for (int r = 1; r < n; r++)
        if (strcmp(run[r]->samples->features.representation,
                   run[0]->samples->features.representation))
            return NULL;
    return run[0]->samples->features.representation;
}

/* common: what the caption says of all panels, or NULL */
static void put_panels(const struct report_input *in, const struct map *map,
                       const struct gallery_run *const *run, int n, const char *common, FILE *dat) {
    const struct summary *s = in->summary;
    const double margin = 1.08;
    fputs("\n\n# panels\n# number\tmiddle x\tmiddle y\thalf the side\tfirst share %\tsecond %, -1: "
          "none\ttitle\tfeatures\n",
          dat);
    for (int r = 0; r < n; r++) {
        const struct sample_features *f = &run[r]->samples->features;
        const double *p = map->points(f);
        double lo[2] = {INFINITY, INFINITY}, hi[2] = {-INFINITY, -INFINITY};
        for (int i = 0; i < 2 * points_of(f, n); i++) {
            lo[i % 2] = fmin(lo[i % 2], p[i]);
            hi[i % 2] = fmax(hi[i % 2], p[i]);
        }
        double half = margin * fmax(fmax(hi[0] - lo[0], hi[1] - lo[1]), 1e-9) / 2;
        const char *rest = gallery_rest(in, run[r], gallery_n_datasets(run, n) > 1);
        const char *own = common ? "" : f->representation;
        const char *second = arena_printf(s->a, "%s%s%s", own, *own && *rest ? " · " : "", rest);
        fprintf(dat, "%d\t%.6g\t%.6g\t%.6g\t%.3g\t%.3g\t%s\t%s\n", r + 1, (lo[0] + hi[0]) / 2,
                (lo[1] + hi[1]) / 2, half, map->has_shares ? 100 * f->explained[0] : -1,
                map->has_shares ? 100 * f->explained[1] : -1,
                figure_text(run[r]->method, n > FEW ? TITLE : WIDE, s->a),
                *second ? figure_text(second, n > FEW ? SECOND : WIDE, s->a) : "-");
    }
}

static void put_points(const struct map *map, const struct gallery_run *const *run, int n,
                       FILE *dat) {
    const int unknown = 0x707070;
    fputs("\n\n# points\n# panel\tx\ty\tclass\trgb\n", dat);
    for (int r = 0; r < n; r++) {
        const struct sample_features *f = &run[r]->samples->features;
        const double *p = map->points(f);
        int classes = run[r]->samples->n_classes;
        for (int i = 0; i < points_of(f, n); i++) {
            int class = f->label ? f->label[i] : -1;
            fprintf(dat, "%d\t%.5g\t%.5g\t%d\t%d\n", r + 1, p[2 * i], p[2 * i + 1],
                    classes > COLORS_APART ? -1 : class,
                    class < 0 ? unknown : color_of_class(class, classes));
        }
    }
}

/* A key for each dataset whose classes have colours of their own; returns how many classes there
 * are where they have not. */
static int put_classes(const struct summary *s, const struct gallery_run *const *run, int n,
                       FILE *dat) {
    int most = 0, several = gallery_n_datasets(run, n) > 1, line = 0;
    fputs("\n\n# classes\n# line\tplace\tclass\trgb\tname\n-1\t0\t0\t0\t-\n", dat);
    for (int r = 0; r < n; r++) {
        const struct samples *x = run[r]->samples;
        if (r && !strcmp(run[r]->dataset, run[r - 1]->dataset))
            continue;
        most = x->n_classes > most ? x->n_classes : most;
        if (!x->features.label || x->n_classes > COLORS_APART)
            continue;
        for (int c = 0; c < x->n_classes; c++) {
            const char *name = several && !c
                                   ? arena_printf(s->a, "%s: %s", run[r]->dataset, x->class_name[c])
                                   : x->class_name[c];
            fprintf(dat, "%d\t%d\t%d\t%d\t%s\n", line + c / 5, c % 5, c,
                    color_of_class(c, x->n_classes), figure_text(name, NAME, s->a));
        }
        line += (x->n_classes + 4) / 5;
    }
    return most > COLORS_APART ? most : 0;
}

static int put(const struct report_input *in, const struct map *map, gallery_has *has, FILE *dat) {
    const struct summary *s = in->summary;
    int n, left_out, fewest = POINTS, most = 0;
    const struct gallery_run **run = gallery_of(in, has, &n, &left_out);
    if (!n)
        return 0;
    for (int r = 0; r < n; r++) {
        int points = points_of(&run[r]->samples->features, n);
        fewest = points < fewest ? points : fewest;
        most = points > most ? points : most;
    }
    const char *common = common_representation(run, n);
    figure_head(map->name, dat);
    put_panels(in, map, run, n, common, dat);
    put_points(map, run, n, dat);
    int classes = put_classes(s, run, n, dat);
    const char *count = fewest == most ? arena_printf(s->a, "%d", most)
                                       : arena_printf(s->a, "%d to %d", fewest, most);
    const char *ramp = classes ? arena_printf(s->a,
                                              " Colours run from dark to light through the "
                                              "classes in their order (up to %d).",
                                              classes)
                               : "";
    figure_caption_flagged(
        in,
        arena_printf(s->a, "%s of frozen features%s%s%s of the first %s test images.%s%s",
                     map->what, common ? " (" : "", common ? common : "", common ? ")" : "", count,
                     ramp, gallery_remarks(in, run, n, left_out)),
        FLAG_PARTIAL | FLAG_UNFINISHED | FLAG_VERSION | FLAG_FINDING, dat);
    return n;
}

int figure_pca(const void *input, FILE *dat) {
    static const struct map map = {"pca", "Principal components", pca_points, 1};
    return put(input, &map, has_pca, dat);
}

int figure_tsne(const void *input, FILE *dat) {
    static const struct map map = {
        "tsne", "Exact t-SNE (perplexity 30; distances between groups mean little)", tsne_points,
        0};
    return put(input, &map, has_tsne, dat);
}
