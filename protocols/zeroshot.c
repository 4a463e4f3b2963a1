/* zeroshot.c -- classification by the names of the classes.
 *
 * Radford et al. 2021 (arXiv:2103.00020), section 3.1: every template around a class's name gives a
 * text, the mean of their unit vectors is the class, and an image goes to the class with the
 * highest cosine.  A method without a text tower gets one by locked-image text tuning (lit.h), on
 * the dataset's captions or, where it has none, on the prompts of the training images' classes. The
 * latter sees labels: it makes eight methods comparable, and is no zero-shot result in the sense of
 * the paper.
 *
 * Of equal scores the class that comes first wins, so of two classes with the same name the second
 * is never answered.  Nothing is chosen.
 */
#include "protocols/zeroshot.h"

#include "protocols/lit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct zeroshot {
    const char *templates;
    struct lit_options lit;
};

static const struct option_def options[] = {
    OPTION_TEXT(struct zeroshot, templates,
                "a photo of a {}.|a photo of the {}.|a picture of a {}.|an image of a {}.|a {}.|{}",
                NULL, "texts around a class name {}, separated by |"),
    LIT_OPTIONS(struct zeroshot), OPTION_END};

static int add_prompt(const char *template, const char *name, struct arena *a, const char **out,
                      struct error *err) {
    const char *at = strstr(template, "{}");
    if (!at || strstr(at + 2, "{}"))
        return error_set(err, STATUS_USAGE,
                         "zeroshot.templates: \"%s\" must have {} once, where the class name goes",
                         template);
    *out =
        arena_printf(a, "%.*s%s%s", (int)(at - template), template, class_words(name, a), at + 2);
    return 0;
}

int zeroshot_prompts(const char *templates, const char *const *names, int classes, struct arena *a,
                     const char ***texts, int *n, struct error *err) {
    char *copy = arena_strdup(a, templates), *rest = NULL;
    const char **list = ARENA_ARRAY(a, const char *, strlen(templates) / 2 + 1);
    int status = 0;
    *n = 0;
    for (char *t = strtok_r(copy, "|", &rest); t; t = strtok_r(NULL, "|", &rest))
        list[(*n)++] = t;
    if (!*n)
        return error_set(err, STATUS_USAGE,
                         "zeroshot.templates is empty: give one, such as \"a photo of a {}.\"");
    *texts = ARENA_ARRAY(a, const char *, (size_t)classes *(size_t)*n);
    for (int c = 0; c < classes; c++)
        for (int t = 0; t < *n; t++)
            TRY(add_prompt(list[t], names[c], a, &(*texts)[(ptrdiff_t)c * *n + t], err));
out:
    return status;
}

static int check(const char *option, const char *value, struct error *err) {
    static const char *const name = "class";
    struct arena a = {0};
    const char **texts;
    int n, status = 0;
    if (!strcmp(option, "templates"))
        status = zeroshot_prompts(value, &name, 1, &a, &texts, &n, err);
    arena_free(&a);
    return status;
}

static double norm_of(const float *x, int dim) {
    double sum = 0;
    for (int k = 0; k < dim; k++)
        sum += (double)x[k] * (double)x[k];
    return sqrt(sum);
}

void zeroshot_classes(const float *texts, int classes, int n, int dim, float *out) {
    for (int c = 0; c < classes; c++) {
        float *y = out + (ptrdiff_t)c * dim;
        memset(y, 0, sizeof *y * (size_t)dim);
        for (int t = 0; t < n; t++) {
            const float *x = texts + ((ptrdiff_t)c * n + t) * dim;
            double norm = norm_of(x, dim);
            for (int k = 0; k < dim && norm > 0; k++)
                y[k] += (float)((double)x[k] / norm);
        }
        double norm = norm_of(y, dim);
        for (int k = 0; k < dim && norm > 0; k++)
            y[k] = (float)((double)y[k] / norm);
    }
}

void zeroshot_scores(const float *images, int n, const float *classes, int n_classes, int dim,
                     float *scores) {
    for (int i = 0; i < n; i++) {
        const float *x = images + (ptrdiff_t)i * dim;
        double norm = norm_of(x, dim);
        for (int c = 0; c < n_classes; c++) {
            const float *y = classes + (ptrdiff_t)c * dim;
            double sum = 0;
            for (int k = 0; k < dim; k++)
                sum += (double)x[k] * (double)y[k];
            scores[(ptrdiff_t)i * n_classes + c] = norm > 0 ? (float)(sum / norm) : 0;
        }
    }
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct zeroshot *o = self;
    const struct feature_set *f = in->features;
    struct arena a = {0};
    struct lit *lit = NULL;
    const char **prompts = NULL;
    int n = 0, status = 0, classes = f->classes;
    TRY(zeroshot_prompts(o->templates, in->subject->data->class_names, classes, &a, &prompts, &n,
                         err));
    const struct lit_classes names = {prompts, n};
    TRY(lit_open(&lit, in, &o->lit, &names, err));
    if (lit_diverged(lit)) {
        eval_diverged(e, "text tuning");
        goto out;
    }
    size_t width = (size_t)lit_width(lit);
    float *texts = ARENA_ARRAY(&a, float, (size_t)(classes * n) * width);
    float *class = ARENA_ARRAY(&a, float, (size_t)classes *width);
    float *scores = ARENA_ARRAY(&a, float, (size_t)f->test.n *(size_t)classes);
    TRY(lit_texts(lit, prompts, classes * n, texts, err));
    zeroshot_classes(texts, classes, n, (int)width, class);
    zeroshot_scores(lit_images(lit), f->test.n, class, classes, (int)width, scores);
    eval_reserve(e, in, 1);
    eval_fill(e, 0, f, scores);
    snprintf(e->selected_on, sizeof e->selected_on, "none");
out:
    lit_close(lit);
    arena_free(&a);
    return status;
}

static int ready(const void *self, struct error *err) {
    const struct zeroshot *o = self;
    return lit_ready(&o->lit, "zeroshot.lit_", err);
}

const struct protocol protocol_zeroshot = {.name = "zeroshot",
                                           .title = "Zero-shot, or locked-image text tuning",
                                           .version = "1.2",
                                           .uses_labels = 1,
                                           .wants = lit_wants,
                                           .ready = ready,
                                           .options = options,
                                           .check = check,
                                           .state_size = sizeof(struct zeroshot),
                                           .run = run};
