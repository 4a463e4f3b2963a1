/* Published weights: small networks of every family, made by the libraries that the weights are for
 * (tests/golden/families.py), give the same features of every layer, logits, and texts.
 *
 * With SSV_PARITY=FOLDER the networks of tests/golden/parity.py, in their real sizes, instead. */
#include "results/arrays.h"
#include "tests/weights_fixture.h"

#include <dirent.h>

/* The end token is the highest id, which is where the texts of the script have it. */
static void run(struct loaded *s, const float *pixels, const int32_t *tokens, int n) {
    struct arena a = {0};
    exec_bind(s->run, s->pixels, pixels);
    exec_run(s->run, n);
    if (s->text) {
        int context = s->network.text.context;
        int32_t *end = ARENA_ARRAY(&a, int32_t, n);
        for (int i = 0; i < n; i++)
            for (int t = 0; t < context; t++)
                if (tokens[i * context + t] > tokens[i * context + end[i]])
                    end[i] = t;
        exec_bind(s->read, s->tokens, tokens);
        exec_bind(s->read, s->end, end);
        exec_run(s->read, n);
    }
    arena_free(&a);
}

static const float *result(const struct loaded *s, const char *name, int *width) {
    const struct tensor *t = NULL;
    if (!strcmp(name, "logits"))
        t = s->logits;
    else if (!strcmp(name, "projection"))
        t = s->projection;
    else if (!strcmp(name, "text")) {
        *width = (int)s->text->per_sample;
        return exec_output(s->read, s->text);
    }
    for (int i = 0; i < s->encoded.n_representations && !t; i++)
        if (!strcmp(s->encoded.representation_name[i], name))
            t = s->encoded.representation[i];
    if (!t)
        fail_msg("there is no %s", name);
    *width = (int)t->per_sample;
    return exec_output(s->run, t);
}

/* ---- against the small ones ---- */

static void fill_inputs(const struct loaded *s, float *pixels, int32_t *tokens) {
    const struct text *t = &s->network.text;
    size_t n = N * s->pixels->per_sample;
    for (size_t i = 0; i < n; i++)
        pixels[i] = (float)chirp(i, 0);
    for (int i = 0; i < N && t->vocabulary; i++)
        for (int j = 0; j < t->context; j++)
            tokens[i * t->context + j] =
                j == t->context - 2 - i ? t->vocabulary - 1 : (7 * i + 3 * j) % (t->vocabulary - 1);
}

/* Relative to the largest of the array. */
static void compare(const char *network, const struct golden_array *want, const float *got,
                    int width) {
    int each = (want->width + want->step - 1) / want->step;
    double scale = 0, worst = 0;
    assert_int_equal(width, want->width);
    for (int i = 0; i < N * each; i++)
        scale = fmax(scale, fabs(want->values[i]));
    for (int i = 0; i < N; i++)
        for (int k = 0; k < each; k++)
            worst = fmax(
                worst, fabs(want->values[i * each + k] - (double)got[i * width + k * want->step]));
    if (!(worst <= 2e-5 * scale))
        fail_msg("%s: %s differs by %g of %g", network, want->name, worst, scale);
}

static void test_golden(void **state) {
    const struct folder *folder = *state;
    for (int i = 0; i < COUNT(golden_networks); i++) {
        const struct golden_network *g = &golden_networks[i];
        struct loaded s;
        struct error err = {0};
        struct arena a = {0};
        char image[32];
        const struct network_options o = options_of(g, image);
        write_file(g, folder->path, -1, NULL);
        if (open_subject(&s, folder->path, &o, N, &err))
            fail_msg("%s: %s", g->name, err.message);
        assert_string_equal(s.network.family->name, g->family);
        assert_int_equal(s.coverage.unused + s.coverage.missing + s.coverage.mismatched, 0);
        assert_int_equal(s.coverage.loaded + s.coverage.spared, g->n_tensors);
        float *pixels = ARENA_ARRAY(&a, float, N *s.pixels->per_sample);
        int32_t *tokens = ARENA_ARRAY(&a, int32_t, N * 1024);
        fill_inputs(&s, pixels, tokens);
        run(&s, pixels, tokens, N);
        for (int k = 0; k < g->n_arrays; k++) {
            int width = 0;
            const float *got = result(&s, g->arrays[k].name, &width);
            compare(g->name, &g->arrays[k], got, width);
        }
        close_subject(&s);
        arena_free(&a);
    }
}

/* ---- in their real sizes ---- */

/* FOLDER/NAME.safetensors with NAME.h5: images, tokens, and under /features what is expected. */
static void check_real(const char *folder, const char *name) {
    struct loaded s;
    struct error err = {0};
    struct arena a = {0};
    char path[NAME], h5[NAME];
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    snprintf(h5, sizeof h5, "%s/%s.h5", folder, name);
    struct st_file *f;
    if (st_open(&f, path, &err))
        fail_msg("%s", err.message);
    const char *as = st_meta(f, "as"), *image = st_meta(f, "image");
    const struct network_options o = {.as = as ? arena_strdup(&a, as) : "",
                                      .image = image ? arena_strdup(&a, image) : ""};
    st_close(f);
    int n, worst_at = 0;
    if (arrays_rows(h5, "inputs", "images", &n, &err) || open_subject(&s, path, &o, n, &err))
        fail_msg("%s: %s", name, err.message);
    size_t count = (size_t)n * s.pixels->per_sample;
    float *pixels = ARENA_ARRAY(&a, float, count);
    int32_t *tokens = ARENA_ARRAY(&a, int32_t, n * 1024);
    assert_int_equal(arrays_read(h5, "inputs", "images", 0, count, pixels, &err), 0);
    if (s.text)
        assert_int_equal(arrays_read(h5, "inputs", "tokens", 1,
                                     (size_t)(n * s.network.text.context), tokens, &err),
                         0);
    run(&s, pixels, tokens, n);
    double worst = 0;
    static const char *const heads[] = {"logits", "projection", "text"};
    int all = s.encoded.n_representations, compared = 0;
    for (int i = 0; i < all + 3; i++) {
        const char *of = i < all ? s.encoded.representation_name[i] : heads[i - all];
        int width = 0;
        if ((i == all && !s.logits) || (i == all + 1 && !s.projection) || (i == all + 2 && !s.text))
            continue;
        const float *got = result(&s, of, &width);
        size_t numbers = (size_t)(n * width);
        float *want = ARENA_ARRAY(&a, float, numbers);
        if (arrays_read(h5, "features", of, 0, numbers, want, &err))
            fail_msg("%s: %s", name, err.message);
        double scale = 0, off = 0;
        for (size_t k = 0; k < numbers; k++) {
            scale = fmax(scale, fabs((double)want[k]));
            off = fmax(off, fabs((double)want[k] - (double)got[k]));
        }
        compared++;
        if (off / scale > worst) {
            worst = off / scale;
            worst_at = i;
        }
    }
    print_message("%-28s %-12s %2d arrays, worst %.1e (%s), ready in %.2f s\n", name,
                  s.network.name, compared, worst,
                  worst_at < all ? s.encoded.representation_name[worst_at] : heads[worst_at - all],
                  s.seconds);
    if (!(worst <= 1e-4))
        fail_msg("%s differs", name);
    close_subject(&s);
    arena_free(&a);
}

static void test_real_sizes(void **state) {
    (void)state;
    const char *folder = getenv("SSV_PARITY");
    struct dirent **entry;
    int n = folder ? scandir(folder, &entry, NULL, alphasort) : 0, seen = 0;
    if (!folder)
        skip();
    for (int i = 0; i < n; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s", entry[i]->d_name);
        if (ends_with(name, ".safetensors")) {
            name[strlen(name) - strlen(".safetensors")] = '\0';
            check_real(folder, name);
            seen++;
        }
        free(entry[i]);
    }
    free(entry);
    assert_true(seen > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
        cmocka_unit_test(test_real_sizes),
    };
    const struct CMUnitTest in_real_sizes[] = {cmocka_unit_test(test_real_sizes)};
    return getenv("SSV_PARITY") ? cmocka_run_group_tests(in_real_sizes, NULL, NULL)
                                : cmocka_run_group_tests(tests, NULL, NULL);
}
