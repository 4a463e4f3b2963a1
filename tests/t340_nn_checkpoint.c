/* Checkpoints: what is saved comes back to the bit, what does not fit is refused by name. */
#include "nn/checkpoint.h"
#include "nn/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[128];

static int make_folder(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/ssvXXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

enum { OUT = 3, KERNEL_H = 2, KERNEL_W = 4, IN = 5 };

/* Two groups; `width` and `extra` make models that do not fit each other. */
static void make(struct model *m, int width, int extra, uint64_t seed) {
    struct error err;
    model_init(m);
    int encoder = model_group(m, "encoder"), head = model_group(m, "head");
    model_param(m, encoder, "a.weight", 2, (const int[]){3, width}, INIT_XAVIER, 0);
    model_param(m, encoder, "a.bias", 1, (const int[]){3}, INIT_NORMAL, 1);
    const int conv[] = {OUT, KERNEL_H, KERNEL_W, IN};
    model_param(m, encoder, "conv.weight", 4, conv, INIT_HE, 0)->channels_last = 1;
    model_param(m, head, "fc.weight", 2, (const int[]){2, 5}, INIT_TRUNC_NORMAL, 0.02);
    if (extra)
        model_param(m, head, "more", 1, (const int[]){4}, INIT_ONE, 0);
    assert_int_equal(model_allocate(m, seed, 1, &err), 0);
    for (size_t i = 0; i < m->count; i++) {
        m->m[i] = (float)sin((double)i);
        m->v[i] = (float)(1.0 / (double)(i + 1));
    }
}

/* Padding between groups is nobody's. */
static void assert_same(const struct model *a, const struct model *b) {
    const real *const left[] = {a->value, a->m, a->v}, *const right[] = {b->value, b->m, b->v};
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < a->n_facts; i++)
            assert_memory_equal(left[s] + a->facts[i].offset, right[s] + a->facts[i].offset,
                                a->facts[i].count * sizeof(real));
}

static void everything_comes_back(void **state) {
    (void)state;
    struct error err;
    struct model a, b;
    long step = 0;
    make(&a, 7, 0, 1);
    make(&b, 7, 0, 2);
    assert_memory_not_equal(a.value, b.value, a.count * sizeof(real));
    long version = b.version;
    assert_int_equal(
        checkpoint_save(path, &a, NULL, 1234567, "seeds = 1\n[mae]\nx = \"2\"\n", "f00d", &err), 0);
    assert_int_equal(checkpoint_check_run(path, "f00d", &err), 0);
    assert_int_equal(checkpoint_check_run(path, "beef", &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "another run (f00d, not beef"));
    assert_int_equal(checkpoint_load(path, &b, NULL, &step, &err), 0);
    assert_int_equal(step, 1234567);
    assert_true(b.version > version);
    assert_same(&a, &b);
    struct arena text = {0};
    char *config;
    assert_int_equal(checkpoint_config(path, &text, &config, &step, &err), 0);
    assert_string_equal(config, "seeds = 1\n[mae]\nx = \"2\"\n");
    arena_free(&text);
    model_free(&a);
    model_free(&b);
}

/* PyTorch finds convolutions, and what its optimizers keep of them, as (out,in,kh,kw). */
static void convolutions_are_stored_channels_first(void **state) {
    (void)state;
    struct error err;
    struct model m;
    make(&m, 7, 0, 1);
    const struct param *p = m.groups[0].first;
    while (strcmp(p->name, "conv.weight"))
        p = p->next;
    assert_int_equal(checkpoint_save(path, &m, NULL, 1, "", "", &err), 0);
    struct st_file *f;
    assert_int_equal(st_open(&f, path, &err), 0);
    static const char *const names[] = {"encoder.conv.weight", "optim.m.encoder.conv.weight",
                                        "optim.v.encoder.conv.weight"};
    const real *const slabs[] = {m.value, m.m, m.v};
    for (int s = 0; s < 3; s++) {
        const struct st_tensor *t = st_find(f, names[s]);
        assert_non_null(t);
        assert_int_equal(t->ndim, 4);
        const int64_t dim[] = {OUT, IN, KERNEL_H, KERNEL_W};
        assert_memory_equal(t->dim, dim, sizeof dim);
        const real *here = slabs[s] + p->offset, *stored = t->data;
        for (int o = 0; o < OUT; o++)
            for (int i = 0; i < IN; i++)
                for (int y = 0; y < KERNEL_H; y++)
                    for (int x = 0; x < KERNEL_W; x++) {
                        real want = here[((o * KERNEL_H + y) * KERNEL_W + x) * IN + i];
                        assert_memory_equal(stored++, &want, sizeof want);
                    }
    }
    st_close(f);
    model_free(&m);
}

static void refuse(const struct model *saved, int width, int extra, const char *named) {
    struct error err;
    struct model m;
    long step;
    assert_int_equal(checkpoint_save(path, saved, NULL, 1, "", "", &err), 0);
    make(&m, width, extra, 3);
    assert_int_equal(checkpoint_load(path, &m, NULL, &step, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, named));
    assert_non_null(strstr(err.message, path));
    model_free(&m);
}

static void misfits_are_refused_by_name(void **state) {
    (void)state;
    struct model m;
    make(&m, 7, 0, 1);
    refuse(&m, 8, 0, "encoder.a.weight");
    refuse(&m, 7, 1, "head.more");
    m.v[m.facts[1].offset + 2] = NAN;
    refuse(&m, 7, 0, "optim.v.encoder.a.bias");
    model_free(&m);
}

static void other_files_are_refused(void **state) {
    (void)state;
    struct error err;
    struct model m;
    long step;
    make(&m, 7, 0, 1);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("not a checkpoint", f);
    fclose(f);
    assert_int_equal(checkpoint_load(path, &m, NULL, &step, &err), STATUS_USAGE);
    unlink(path);
    assert_int_equal(checkpoint_load(path, &m, NULL, &step, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, path));
    f = fopen(path, "w"); /* for the teardown */
    fclose(f);
    model_free(&m);
}

/* A parameter's first values depend on the seed and its name, not on what else there is. */
static void drawing_depends_on_seed_and_name(void **state) {
    (void)state;
    struct model a, b, c;
    make(&a, 7, 0, 1);
    make(&b, 7, 1, 1);
    make(&c, 7, 0, 2);
    for (int i = 0; i < a.n_facts; i++) {
        size_t bytes = a.facts[i].count * sizeof(real);
        assert_memory_equal(a.value + a.facts[i].offset, b.value + b.facts[i].offset, bytes);
        assert_memory_not_equal(a.value + a.facts[i].offset, c.value + c.facts[i].offset, bytes);
    }
    model_free(&a);
    model_free(&b);
    model_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(convolutions_are_stored_channels_first),
        cmocka_unit_test(misfits_are_refused_by_name),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(drawing_depends_on_seed_and_name),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, make_folder, remove_folder);
}
