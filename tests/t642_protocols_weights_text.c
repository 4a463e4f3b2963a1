/* Zero-shot classification by both towers of published weights, a ViT's and a ResNet's: the answers
 * are those of the networks run by hand. */
#include "data/bpe.h"
#include "protocols/cell.h"
#include "protocols/protocol.h"
#include "tests/weights_fixture.h"

enum { TESTED = 20, CONTEXT = 24, MERGES = 2, IDS = 2 * 256 + MERGES + 2 };

struct files {
    char weights[128], vocabulary[128];
};

/* The golden network with as many ids as the vocabulary makes, and longer texts. */
static void write_files(struct files *f, const char *name) {
    const char *base = getenv("TMPDIR"), merges[] = "#version: 0.2\na b\nc d\n";
    struct arena a = {0};
    struct error err;
    struct golden_network g = *golden(name);
    struct golden_tensor *tensors = ARENA_ARRAY(&a, struct golden_tensor, g.n_tensors);
    for (int i = 0; i < g.n_tensors; i++) {
        tensors[i] = g.tensors[i];
        if (!strcmp(tensors[i].name, "token_embedding.weight"))
            tensors[i].dim[0] = IDS;
        if (!strcmp(tensors[i].name, "positional_embedding"))
            tensors[i].dim[0] = CONTEXT;
    }
    g.tensors = tensors;
    snprintf(f->weights, sizeof f->weights, "%.80s/t642.%d.safetensors", base ? base : "/tmp",
             (int)getpid());
    snprintf(f->vocabulary, sizeof f->vocabulary, "%.80s/t642.%d.txt", base ? base : "/tmp",
             (int)getpid());
    write_file(&g, f->weights, -1, NULL);
    assert_int_equal(file_write_atomic(f->vocabulary, merges, sizeof merges - 1, &err), 0);
    arena_free(&a);
}

/* What the program answers with the class's name as the only prompt. */
static void ask(const struct files *f, const struct golden_network *g, struct dataset *data,
                struct arena *keep, struct eval *e) {
    struct settings *s = calloc(1, sizeof *s);
    struct cell *cell = calloc(1, sizeof *cell);
    struct arena a = {0};
    struct error err = {0};
    const struct context context = {.kernels = kernels_cpu(), .threads = 2, .loader_threads = 1};
    int at = 0;
    while (protocols[at] != &protocol_zeroshot)
        at++;
    settings_init(s);
    const char *text = arena_printf(
        &a,
        "methods = weights\nbackbone = own\nseeds = 0\n"
        "[weights]\nfile = %s\nvocabulary = %s\nheads = %d\ntext_heads = %d\n[zeroshot]\n"
        "templates = {}\nlit_epochs = 1\n",
        f->weights, f->vocabulary, g->heads, g->text_heads);
    if (options_load_text(&s->options, text, "test", &err) ||
        cell_build(cell, s, method_find("weights"), data, 0, &context, 0, &err))
        fail_msg("%s", err.message);
    cell_want(cell, at, data);
    if (cell_extract(cell, &err))
        fail_msg("%s", err.message);
    const struct protocol_input in = {.subject = &cell->subject,
                                      .features = &cell->features,
                                      .kernels = context.kernels,
                                      .threads = 2,
                                      .arena = keep};
    if (protocol_zeroshot.run(s->protocol[at], &in, e, &err))
        fail_msg("%s", err.message);
    cell_close(cell);
    settings_free(s);
    free(s);
    free(cell);
    arena_free(&a);
}

/* unit (n,width) of what a graph's run gave */
static void unit_rows(const float *x, int n, int width, double *unit) {
    for (int i = 0; i < n; i++, x += width, unit += width) {
        double sum = 0;
        for (int k = 0; k < width; k++)
            sum += (double)x[k] * (double)x[k];
        for (int k = 0; k < width; k++)
            unit[k] = (double)x[k] / sqrt(sum);
    }
}

static void prepare(const struct loaded *s, struct dataset *data, struct arena *a, float **pixels) {
    struct record r = {0};
    struct error err;
    size_t each = s->pixels->per_sample;
    *pixels = ARENA_ARRAY(a, float, TESTED *each);
    for (int i = 0; i < TESTED; i++) {
        assert_int_equal(dataset_read(data, SPLIT_TEST, i, &r, &err), 0);
        preprocess(&r, &s->network.preprocessing, *pixels + (size_t)i * each);
    }
    record_free(&r);
}

static void tokenise(const struct files *f, const struct dataset *data, int32_t *tokens,
                     int32_t *end) {
    struct bpe bpe;
    struct error err;
    assert_int_equal(bpe_read(&bpe, f->vocabulary, 0, &err), 0);
    assert_int_equal(bpe.vocabulary, IDS);
    for (int c = 0; c < data->classes; c++) {
        char name[64];
        snprintf(name, sizeof name, "%s", data->class_names[c]);
        for (char *at = name; *at; at++)
            *at = *at == '_' ? ' ' : *at;
        end[c] = bpe_encode(&bpe, name, CONTEXT, tokens + (ptrdiff_t)c * CONTEXT, NULL) - 1;
    }
    arena_free(&bpe.arena);
}

/* Cosines (TESTED,classes) of images and names, each network run on its own. */
static void cosines(const struct files *f, const struct golden_network *g, struct dataset *data,
                    struct arena *a, double *out) {
    struct loaded s;
    struct error err = {0};
    float *pixels;
    const struct network_options o = {.heads = g->heads, .text_heads = g->text_heads};
    if (open_subject(&s, f->weights, &o, TESTED, &err))
        fail_msg("%s", err.message);
    int width = s.network.projection, classes = data->classes;
    int32_t *tokens = ARENA_ARRAY(a, int32_t, classes * CONTEXT);
    int32_t *end = ARENA_ARRAY(a, int32_t, classes);
    double *image = ARENA_ARRAY(a, double, TESTED *width);
    double *text = ARENA_ARRAY(a, double, classes *width);
    prepare(&s, data, a, &pixels);
    exec_bind(s.run, s.pixels, pixels);
    exec_run(s.run, TESTED);
    unit_rows(exec_output(s.run, s.projection), TESTED, width, image);
    tokenise(f, data, tokens, end);
    exec_bind(s.read, s.tokens, tokens);
    exec_bind(s.read, s.end, end);
    exec_run(s.read, classes);
    unit_rows(exec_output(s.read, s.text), classes, width, text);
    for (int i = 0; i < TESTED * classes; i++) {
        out[i] = 0;
        for (int k = 0; k < width; k++)
            out[i] += image[i / classes * width + k] * text[i % classes * width + k];
    }
    close_subject(&s);
}

/* The answer is the largest cosine; where two are as good as equal, either. */
static void check(const char *name) {
    const struct golden_network *g = golden(name);
    struct files f;
    struct dataset data;
    struct error err = {0};
    struct eval e = {.outcome = OUTCOME_OK};
    struct arena a = {0};
    write_files(&f, name);
    assert_int_equal(dataset_open(&data, "shapes:size=16,train=4,test=20", &err), 0);
    ask(&f, g, &data, &a, &e);
    assert_int_equal(e.outcome, OUTCOME_OK);
    assert_int_equal(e.n_samples, TESTED);
    double *cosine = ARENA_ARRAY(&a, double, TESTED *data.classes);
    cosines(&f, g, &data, &a, cosine);
    for (int i = 0; i < TESTED; i++) {
        const double *row = cosine + (ptrdiff_t)i * data.classes;
        double best = row[0];
        for (int c = 1; c < data.classes; c++)
            best = fmax(best, row[c]);
        assert_in_range(e.pred[i], 0, data.classes - 1);
        if (!(row[e.pred[i]] >= best - 1e-5))
            fail_msg("%s: image %d: class %d with %g, the best has %g", name, i, e.pred[i],
                     row[e.pred[i]], best);
    }
    dataset_close(&data);
    arena_free(&a);
    unlink(f.weights);
    unlink(f.vocabulary);
}

/* The images' tower alone has another tuned to it, and that is said. */
static void half_of_clip(void **state) {
    (void)state;
    const struct golden_network *g = golden("open_clip");
    struct files f;
    struct dataset data;
    struct error err = {0};
    struct eval e = {.outcome = OUTCOME_OK};
    struct arena a = {0};
    char *said;
    size_t n;
    write_files(&f, "open_clip");
    unlink(f.vocabulary);
    const char *lines = arena_printf(&a, "%s.log", f.weights);
    f.vocabulary[0] = '\0';
    assert_int_equal(dataset_open(&data, "shapes:size=16,train=4,test=20", &err), 0);
    const int own = dup(STDERR_FILENO);
    assert_non_null(freopen(lines, "w", stderr));
    ask(&f, g, &data, &a, &e);
    fflush(stderr);
    dup2(own, STDERR_FILENO);
    close(own);
    assert_int_equal(file_read(lines, &a, &said, &n, &err), 0);
    assert_non_null(strstr(said, "this is no zero-shot result"));
    dataset_close(&data);
    arena_free(&a);
    unlink(lines);
    unlink(f.weights);
}

static void nobody_reads(void **state) {
    (void)state;
    const struct golden_network *g = golden("timm");
    const struct context context = {.kernels = kernels_cpu(), .threads = 1, .loader_threads = 1};
    struct settings *s = calloc(1, sizeof *s);
    struct cell *cell = calloc(1, sizeof *cell);
    struct files f;
    struct dataset data;
    struct error err = {0};
    struct arena a = {0};
    write_files(&f, "timm");
    settings_init(s);
    const char *text = arena_printf(&a,
                                    "methods = weights\nbackbone = own\nseeds = 0\n[weights]\n"
                                    "file = %s\nvocabulary = %s\nheads = %d\n",
                                    f.weights, f.vocabulary, g->heads);
    assert_int_equal(options_load_text(&s->options, text, "test", &err), 0);
    assert_int_equal(dataset_open(&data, "shapes:size=16,train=4,test=4", &err), 0);
    assert_int_equal(cell_build(cell, s, method_find("weights"), &data, 0, &context, 0, &err),
                     STATUS_USAGE);
    assert_non_null(strstr(err.message, "has no text tower"));
    dataset_close(&data);
    settings_free(s);
    free(s);
    free(cell);
    arena_free(&a);
    unlink(f.weights);
    unlink(f.vocabulary);
}

static void a_vit(void **state) {
    (void)state;
    check("open_clip");
}

static void a_resnet(void **state) {
    (void)state;
    check("clip_resnet");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_vit), cmocka_unit_test(a_resnet),
                                       cmocka_unit_test(half_of_clip),
                                       cmocka_unit_test(nobody_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
