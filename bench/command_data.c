/* command_data.c -- what is in a dataset: described, audited, drawn, converted. */
#include "bench/command.h"

#include "core/log.h"
#include "data/audit.h"
#include "data/contact_sheet.h"
#include "data/convert.h"

#include <stdio.h>
#include <string.h>

enum { PREVIEWED = 32, CLASSES_SHOWN = 20 };

/* ---- info ---- */

static void print_list(const char *title, const char *const *names, int n) {
    printf("%-12s %d", title, n);
    for (int i = 0; i < n && i < CLASSES_SHOWN; i++)
        printf("%s%s", i ? ", " : ": ", names[i]);
    puts(n > CLASSES_SHOWN ? ", ..." : "");
}

static void print_left_out(const struct dataset *d) {
    if (!d->n_bad)
        return;
    printf("%-12s %ld bad images", "left out", d->n_bad);
    for (int i = 0; i < d->n_bad_names; i++)
        printf("%s%s", i ? ", " : ": ", d->bad_names[i]);
    puts(d->n_bad > d->n_bad_names ? ", ..." : "");
}

static int info(const struct dataset *d, const char *unused, const volatile sig_atomic_t *stop,
                struct error *err) {
    (void)unused, (void)stop, (void)err;
    char order[65];
    audit_class_order(d, order);
    printf("%-12s %s\n%-12s %s\n", "dataset", d->spec, "content", d->root_hash);
    printf("%-12s %ld for training, %ld for testing\n", "images", d->count[SPLIT_TRAIN],
           d->count[SPLIT_TEST]);
    printf("%-12s %d x %d, %d channels\n", "size", d->height, d->width, d->channels);
    if (d->classes) {
        print_list("classes", d->class_names, d->classes);
        printf("%-12s %s\n", "class order", order);
    }
    if (d->has_mask)
        print_list("mask classes", d->mask_names, d->mask_classes);
    printf("%-12s %s\n", "captions", d->has_caption ? "yes" : "no");
    for (int k = 0; k < 2; k++) {
        printf("%-12s", k ? "deviation" : "mean");
        for (int c = 0; c < d->channels; c++)
            printf(" %.4f", k ? d->std[c] : d->mean[c]);
        printf(" of the first %ld training images\n", d->measured);
    }
    print_left_out(d);
    return 0;
}

/* ---- verify ---- */

static void print_counts(const char *title, const struct audit *a, size_t at) {
    printf("%-28s", title);
    for (int s = 0; s < SPLITS; s++)
        printf(" %10ld", *(const long *)(const void *)((const char *)&a->split[s] + at));
    putchar('\n');
}

static void print_range(const char *title, const int *train, const int *test) {
    printf("%-28s %4d..%-4d %4d..%-4d\n", title, train[0], train[1], test[0], test[1]);
}

static void print_classes(const struct dataset *d, const struct audit *a) {
    char order[65];
    if (!d->classes)
        return;
    audit_class_order(d, order);
    printf("\nclasses, in the order %.16s\n", order);
    for (int c = 0; c < d->classes; c++)
        printf("  %-26s %10ld %10ld\n", d->class_names[c], a->split[SPLIT_TRAIN].per_class[c],
               a->split[SPLIT_TEST].per_class[c]);
}

static void print_audit(const struct dataset *d, const struct audit *a) {
    const struct audit_split *s = a->split;
    printf("%-28s %10s %10s\n", d->name, "train", "test");
    print_counts("images", a, offsetof(struct audit_split, n));
    print_counts("broken", a, offsetof(struct audit_split, broken));
    print_counts("duplicates within the split", a, offsetof(struct audit_split, duplicates));
    printf("%-28s %10s %10ld\n", "also in the training split", "", a->overlap);
    print_counts("grey pixels only", a, offsetof(struct audit_split, grey));
    print_range("height", s[SPLIT_TRAIN].height, s[SPLIT_TEST].height);
    print_range("width", s[SPLIT_TRAIN].width, s[SPLIT_TEST].width);
    for (size_t i = 0; s[SPLIT_TRAIN].files && i < AUDIT_PROPERTIES; i++)
        print_counts(audit_properties[i], a,
                     offsetof(struct audit_split, property) + i * sizeof(long));
    int first, untrained = audit_untrained(a, d, &first);
    if (untrained)
        printf("%-28s %10s %10d  first: %s\n", "classes without training", "", untrained,
               d->class_names[first]);
    print_classes(d, a);
    if (a->n_pairs || a->n_broken || d->n_bad)
        putchar('\n');
    for (int i = 0; i < a->n_pairs; i++)
        printf("the same: %s %ld, %s %ld\n", a->pairs[i].split_a == SPLIT_TRAIN ? "train" : "test",
               a->pairs[i].a, a->pairs[i].split_b == SPLIT_TRAIN ? "train" : "test", a->pairs[i].b);
    for (int i = 0; i < a->n_broken; i++)
        printf("broken: %s\n", a->broken[i]);
    print_left_out(d);
}

static int verify(const struct dataset *d, const char *unused, const volatile sig_atomic_t *stop,
                  struct error *err) {
    (void)unused;
    struct audit a;
    int status = audit_run(&a, d, stop, err);
    if (!status) {
        long broken = a.split[SPLIT_TRAIN].broken + a.split[SPLIT_TEST].broken + d->n_bad;
        print_audit(d, &a);
        if (broken || a.overlap)
            status = error_set(err, STATUS_FINDING,
                               "%s: %ld broken images, %ld test images that are also in the "
                               "training split",
                               d->spec, broken, a.overlap);
    }
    audit_free(&a);
    return status;
}

/* ---- the others ---- */

static int preview(const struct dataset *d, const char *out, const volatile sig_atomic_t *unused,
                   struct error *err) {
    (void)unused;
    const size_t n = strlen(out);
    if (n < 5 || strcmp(out + n - 4, ".png"))
        return error_set(err, STATUS_USAGE, "%s: the sheet is a PNG file, NAME.png", out);
    int status = contact_sheet(d, PREVIEWED, out, err);
    if (!status)
        puts(out);
    return status;
}

static int convert(const struct dataset *d, const char *out, const volatile sig_atomic_t *stop,
                   struct error *err) {
    int status = dataset_convert(d, out, stop, err);
    if (!status)
        log_message(LOG_INFO, "%s: %ld + %ld images", out, d->count[SPLIT_TRAIN],
                    d->count[SPLIT_TEST]);
    return status;
}

static const struct action {
    const char *name, *out; /* out: what the second argument is, NULL: there is none */
    int audits;             /* broken files are what it looks for */
    int (*run)(const struct dataset *d, const char *out, const volatile sig_atomic_t *stop,
               struct error *err);
} actions[] = {{"info", NULL, 0, info},
               {"verify", NULL, 1, verify},
               {"preview", "OUT.png", 0, preview},
               {"convert", "OUT.h5 or OUT.tar", 0, convert}};

static const struct action *find(const struct invocation *call, struct error *err) {
    const char *name = call->argc > 1 ? call->argv[1] : "";
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (!strcmp(actions[i].name, name)) {
            if (call->argc == 3 + (actions[i].out != NULL))
                return &actions[i];
            error_set(err, STATUS_USAGE, "data %s takes a dataset%s%s", name,
                      actions[i].out ? " and " : "", actions[i].out ? actions[i].out : "");
            return NULL;
        }
    error_set(err, STATUS_USAGE, "data takes one of info, verify, preview, convert, not \"%s\"",
              name);
    return NULL;
}

/* An audit meets broken files, so it leaves them out instead of stopping at the first. */
static int open_data(const struct action *action, struct dataset *d, const char *spec,
                     struct error *err) {
    struct arena a = {0};
    if (action->audits && dataset_skips_bad(spec) && !strstr(spec, ",bad="))
        spec = arena_printf(&a, "%s,bad=skip", spec);
    int status = dataset_open(d, spec, err);
    arena_free(&a);
    return status;
}

static int run(struct invocation *call, struct error *err) {
    const struct action *action = find(call, err);
    struct dataset d;
    if (!action)
        return err->status;
    int status = open_data(action, &d, call->argv[2], err);
    if (status)
        return status;
    status = action->run(&d, action->out ? call->argv[3] : NULL, call->stop, err);
    dataset_close(&d);
    return status;
}

const struct command command_data = {
    .name = "data",
    .arguments = "info|verify|preview|convert DATASET [OUT]",
    .help = "Describe a dataset; audit all of it (broken, duplicate, odd images); draw a contact\n"
            "sheet, OUT.png; write it as OUT.h5 or OUT.tar",
    .run = run,
    .reads_runs = 1,
    .machine = "quiet"};
