/* Every figure of runs, in the order in which a page shows them; and which of them are wanted. */
#include "reports/figures_internal.h"

#include "core/options.h"
#include "reports/gallery_internal.h"
#include "reports/page.h"

#include <stdio.h>
#include <string.h>

/* name, title, script, put, needs */
const struct figure figure_list[] = {
    {"main", "Every seed, the mean and its interval, by method and protocol", script_main,
     figure_main, "a run with a result"},
    {"classes", "Where two methods differ, class by class", script_classes, figure_classes,
     "two methods with accuracies by class from one protocol"},
    {"transfer", "Fine-tuned against linear accuracy", script_transfer, figure_transfer,
     "runs evaluated by finetune and by a linear protocol on the same data"},
    {"lowshot", "Accuracy with few labelled images", script_lowshot, figure_lowshot,
     "runs evaluated by lowshot"},
    {"zeroshot", "Zero-shot against linear accuracy, class by class", script_zeroshot,
     figure_zeroshot, "runs evaluated by zeroshot and by a linear protocol on the same data"},
    {"layers", "What a probe of each layer reaches", script_layers, figure_layers,
     "an evaluation that tried several layers (linear or knn, representations plain)"},
    {"confusion", "Which classes are taken for which", script_confusion, figure_confusion,
     "an evaluation with classes"},
    {"budget", "Accuracy against what pretraining took", script_budget, figure_budget,
     "results of runs that say what their pretraining took"},
    {"variants", "Accuracy against one setting", script_variants, figure_variants,
     "results of one method with several values of a numeric setting"},
    {"pairs", "Accuracy over two settings", script_pairs, figure_pairs,
     "results of one method with several values of two settings"},
    {"loss", "Training loss", script_loss, figure_loss, "a run that trained"},
    {"gradients", "Norm of the gradient", script_gradients, figure_gradients, "a run that trained"},
    {"collapse", "Do features keep telling images apart?", script_collapse, figure_collapse,
     "a run whose features were looked at (--watch_every)"},
    {"reconstructions", "What methods that predict pixels make of images", script_reconstructions,
     figure_reconstructions, "runs of such a method with samples.h5 (--samples)"},
    {"attention", "Where the class token looks", script_attention, figure_attention,
     "runs of a ViT with samples.h5 (--samples)"},
    {"segmentation", "Masks that a linear head predicts", script_segmentation, figure_segmentation,
     "runs evaluated by segment with samples.h5 (--samples)"},
    {"similarity", "How similar images and captions are", script_similarity, figure_similarity,
     "runs of a method with a text tower with samples.h5 (--samples)"},
    {"pca", "Principal components of features", script_pca, figure_pca,
     "runs with samples.h5 (--samples)"},
    {"tsne", "Features by t-SNE", script_tsne, figure_tsne, "runs with samples.h5 (--samples)"},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct page_figure *page_figures(int *n, struct arena *a) {
    struct page_figure *list = ARENA_ARRAY(a, struct page_figure, FIGURES_MOST);
    for (*n = 0; figure_list[*n].name; ++*n)
        list[*n] = (struct page_figure){figure_list[*n].name, figure_list[*n].title};
    return list;
}

static int unknown(const char *word, int n, struct error *err) {
    const char *names[FIGURES_MOST];
    char valid[512] = "";
    for (int i = 0; i < n; i++) {
        names[i] = figure_list[i].name;
        snprintf(valid + strlen(valid), sizeof valid - strlen(valid), "%s%s", i ? ", " : "",
                 names[i]);
    }
    const char *near = nearest_name(word, names, n);
    return error_set(err, STATUS_USAGE, "there is no figure \"%.60s\"%s%s%s; there are: %s", word,
                     near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", valid);
}

int figures_choose(const char *only, int *wanted, int *n, struct error *err) {
    struct arena a = {0};
    char *rest = NULL, *copy = arena_strdup(&a, only);
    int status = 0, words = 0;
    for (*n = 0; figure_list[*n].name; ++*n)
        CHECK(*n < FIGURES_MOST, "%d figures", *n);
    memset(wanted, 0, sizeof *wanted * (size_t)*n);
    for (char *word = strtok_r(copy, ", ", &rest); word && !status;
         word = strtok_r(NULL, ", ", &rest)) {
        int i = 0;
        while (i < *n && strcmp(word, figure_list[i].name))
            i++;
        words++;
        if (i < *n)
            wanted[i] = 1;
        else
            status = unknown(word, *n, err);
    }
    for (int i = 0; !words && i < *n; i++)
        wanted[i] = 1;
    arena_free(&a);
    return status;
}

static const char *or_nothing(const char *text) {
    return text ? text : "";
}

int report_options_check(const struct report_options *o, struct error *err) {
    const char *formats[FIGURE_FORMATS];
    int wanted[FIGURES_MOST], n;
    int status = figures_choose(or_nothing(o->only), wanted, &n, err);
    return status ? status : figure_formats(or_nothing(o->format), formats, &n, err);
}

int report_figures(struct run *const *runs, int n_runs, const char *folder,
                   const struct report_options *options, struct error *err) {
    const struct report_options given = options ? *options : (struct report_options){.into = NULL};
    const struct report_options o = {or_nothing(given.into), or_nothing(given.only),
                                     or_nothing(given.format), or_nothing(given.pair)};
    struct arena a = {0};
    struct report_flag *flags;
    int wanted[FIGURES_MOST], n, status = 0;
    if (n_runs < 1)
        return error_set(err, STATUS_USAGE, "no runs, so no figures");
    TRY(figures_choose(o.only, wanted, &n, err));
    const struct summary s = summary_of(runs, n_runs, &a);
    if (*o.pair)
        TRY(figure_classes_check(&s, o.pair, err));
    struct gallery gallery = {.n = 0};
    struct report_input input = {runs, n_runs, &s, &o, NULL, 0, &gallery};
    input.n_flags = report_flags(runs, n_runs, &flags, &a);
    input.flag = flags;
    const struct drawing d = {folder, o.format, wanted, *o.only != '\0'};
    status = figures_draw(figure_list, n, &input, &d, err);
out:
    arena_free(&a);
    return status;
}
