/* Any text as a file of options: core/options.h.  What is taken is written and read again. */
#include "core/options.h"

#include "tests/fuzz/fuzz.h"

#include <limits.h>
#include <math.h>

struct values {
    int seed, quiet, depth;
    double ratio, shift;
    const char *out, *loss;
};

static const struct option_def general[] = {
    OPTION_INT(struct values, seed, 0, INT_MIN, INT_MAX, "random seed"),
    OPTION_BOOL(struct values, quiet, 0, "say less"),
    OPTION_TEXT(struct values, out, "out", NULL, "folder of results"), OPTION_END};
static const struct option_def mae[] = {
    OPTION_REAL(struct values, ratio, 0.75, 0, 0.99, "share of patches hidden"),
    OPTION_REAL(struct values, shift, 0, -INFINITY, INFINITY, "anything"),
    OPTION_INT(struct values, depth, 2, 1, 64, "transformer blocks"),
    OPTION_TEXT(struct values, loss, "mse", "mse|l1|huber", "of a pixel"), OPTION_END};

static void begin(struct option_set *set, struct values *v) {
    *v = (struct values){0};
    options_init(set);
    options_add(set, "", "General", general, v);
    options_add(set, "mae", "Masked autoencoder", mae, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct arena a = {0};
    struct option_set set, again, from_text;
    struct values v, w, u;
    struct error err = {0};
    char *text = arena_alloc(&a, n + 1);
    if (n)
        memcpy(text, data, n);
    begin(&set, &v);
    int status = options_load(&set, fuzz_file(0, data, n), FROM_FILE, &err);
    fuzz_status(status, &err);
    if (!status) {
        const char *first = options_text(&set, &a);
        begin(&again, &w);
        CHECK(!options_load_text(&again, first, "the text", &err), "%s", err.message);
        CHECK(!strcmp(options_text(&again, &a), first), "%s reads back differently", first);
        options_free(&again);
    }
    begin(&from_text, &u);
    fuzz_status(options_load_text(&from_text, text, "x", &err), &err);
    options_free(&from_text);
    options_free(&set);
    arena_free(&a);
    return 0;
}

static void fuzz_seeds(const char *corpus) {
    FUZZ_SEED_TEXT(corpus, "all",
                   "; comment\nseed = -3\nquiet = true\nout = a\\sb\\\\ \\x41 ; comment\n"
                   "[mae]\nratio = 0.5\nshift = -inf\ndepth = 64\nloss = l1\n");
    FUZZ_SEED_TEXT(corpus, "odd",
                   "\xef\xbb\xbf"
                   "seed=1\r\n[mae]\r\n  shift: 1e-300\r\n");
}
