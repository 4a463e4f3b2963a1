/* The synthetic pictures: the same bytes everywhere, balanced, nothing but the shape tells the
 * class, and masks and captions that are true. */
#include "core/rng.h"
#include "core/sha256.h"
#include "data/shapes_internal.h"
#include "tests/data_files.h"

#include <math.h>

static void hash_images(const char *text, enum split split, int n, char out[65]) {
    struct arena a = {0};
    struct dataset d;
    struct record r = {0};
    opens(&d, text);
    size_t area = (size_t)d.width * (size_t)d.height, one = 4 * area + sizeof r.caption + 1;
    uint8_t *all = arena_alloc(&a, one * (size_t)n);
    for (int i = 0; i < n; i++) {
        uint8_t *p = all + one * (size_t)i;
        reads(&d, split, i, &r);
        memcpy(p, r.pixels, 3 * area);
        memcpy(p + 3 * area, r.mask, area);
        snprintf((char *)p + 4 * area, sizeof r.caption, "%s", r.caption);
        p[one - 1] = (uint8_t)r.label;
    }
    sha256_hex(all, one * (size_t)n, out);
    record_free(&r);
    dataset_close(&d);
    arena_free(&a);
}

/* Looked at, then written down.  When pictures change on purpose, GENERATOR_VERSION counts up. */
static void test_pictures_are_those_that_were_looked_at(void **state) {
    (void)state;
    static const struct {
        const char *spec, *hash;
        enum split split;
        int n;
    } golden[] = {
        {"shapes", "f1b3d255d50712d760c4eb0d5f0de4edede5e847bd79530537ef38f9eb87b9f0", SPLIT_TRAIN,
         200},
        {"shapes", "2284c9365cf697b936f106afa7352b8dfd79762365ac3b508e008d6e344c3957", SPLIT_TEST,
         200},
        {"shapes:seed=7000000000",
         "a00bbaf0f06091e8b774ad90ff99342991e4267d68126cd519340d2f3f5b06e9", SPLIT_TRAIN, 50},
        {"shapes:size=16", "fb230b50499777c510081d37a6476f06edd5a54dabb3676df3a809b8afc0047b",
         SPLIT_TRAIN, 50},
        {"shapes:size=96", "35b1033177c67bb728b178daa4d83bed46258d3dab1425cbb2e4e1da576f597d",
         SPLIT_TRAIN, 30},
        {"shapes:size=256", "86c44ad158bf68598f183a2f77718a7fdb5522474612fa62bbf47779f538dc02",
         SPLIT_TEST, 10},
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        char hash[65];
        hash_images(golden[i].spec, golden[i].split, golden[i].n, hash);
        if (strcmp(hash, golden[i].hash))
            fail_msg("%s, split %d: %s, was %s", golden[i].spec, golden[i].split, hash,
                     golden[i].hash);
    }
}

static void test_a_picture_depends_on_seed_split_and_index_only(void **state) {
    (void)state;
    struct dataset d, e, other;
    struct record a = {0}, b = {0};
    opens(&d, "shapes:train=50,test=40");
    opens(&e, "shapes:train=3000,test=7,seed=0");
    opens(&other, "shapes:seed=1");
    for (long i = 39; i >= 0; i -= 3) {
        reads(&d, SPLIT_TRAIN, i, &a);
        reads(&e, SPLIT_TRAIN, i, &b);
        assert_memory_equal(a.pixels, b.pixels, 3 * 32 * 32);
        assert_memory_equal(a.mask, b.mask, 32 * 32);
        assert_string_equal(a.caption, b.caption);
        assert_int_equal(a.label, b.label);
        reads(&d, SPLIT_TEST, i, &b);
        assert_memory_not_equal(a.pixels, b.pixels, 3 * 32 * 32);
        reads(&d, SPLIT_TRAIN, i + 1, &b);
        assert_memory_not_equal(a.pixels, b.pixels, 3 * 32 * 32);
        reads(&other, SPLIT_TRAIN, i, &b);
        assert_memory_not_equal(a.pixels, b.pixels, 3 * 32 * 32);
    }
    assert_string_not_equal(d.root_hash, e.root_hash);
    assert_string_not_equal(e.root_hash, other.root_hash);
    record_free(&a);
    record_free(&b);
    dataset_close(&d);
    dataset_close(&e);
    dataset_close(&other);
}

static void test_every_ten_pictures_hold_every_class(void **state) {
    (void)state;
    struct dataset d;
    struct record r = {0};
    int first[SHAPE_CLASSES] = {0};
    opens(&d, "shapes:size=16,train=1000,test=1000");
    assert_int_equal(d.classes, SHAPE_CLASSES);
    for (int split = 0; split < SPLITS; split++)
        for (long block = 0; block < 100; block++) {
            unsigned seen = 0;
            for (int i = 0; i < 10; i++) {
                reads(&d, (enum split)split, block * 10 + i, &r);
                assert_in_range(r.label, 0, 9);
                first[r.label] += i == 0;
                seen |= 1U << r.label;
            }
            assert_int_equal(seen, 0x3ff);
        }
    for (int k = 0; k < SHAPE_CLASSES; k++) /* 20 expected of 200; not one fixed order */
        assert_in_range(first[k], 5, 40);
    record_free(&r);
    dataset_close(&d);
}

/* Even-odd rule: is the point in the closed outline? */
static int inside(const struct point *p, int n, double x, double y) {
    int in_it = 0;
    for (int i = 0, j = n - 1; i < n; j = i++)
        if ((p[i].y > y) != (p[j].y > y) &&
            x < (p[j].x - (double)p[i].x) * (y - p[i].y) / (p[j].y - (double)p[i].y) + p[i].x)
            in_it = !in_it;
    return in_it;
}

static double sampled_coverage(const struct point *p, int n, int column, int row) {
    enum { FINE = 16 /* samples a side */ };
    int count = 0;
    for (int i = 0; i < FINE * FINE; i++)
        count += inside(p, n, column + (i % FINE + 0.5) / FINE, row + (i / FINE + 0.5) / FINE);
    return count / (double)(FINE * FINE);
}

static int placed(const struct shape_scene *s, int size, struct point out[SHAPE_POINTS]) {
    int n = shape_outline(s->label, out);
    for (int i = 0; i < n; i++) {
        float x = out[i].x, y = out[i].y;
        const float(*m)[2] = s->at.matrix;
        out[i].x = (m[0][0] * x + m[0][1] * y + s->at.centre.x) * (float)size;
        out[i].y = (m[1][0] * x + m[1][1] * y + s->at.centre.y) * (float)size;
    }
    return n;
}

static void test_coverage_is_that_of_fine_sampling(void **state) {
    (void)state;
    enum { SIZE = 24 };
    float value[SIZE * (SIZE + 2)];
    struct point p[SHAPE_POINTS];
    for (int i = 0; i < 30; i++) {
        struct shape_scene s;
        struct coverage c = {.size = SIZE, .value = value};
        shape_scene_make(&s, 3, SPLIT_TRAIN, i);
        int n = placed(&s, SIZE, p);
        float shift = i % 3 == 2 ? (float)(i - 15) : 0; /* some leave the picture on a side */
        for (int k = 0; k < n; k++)
            p[k].x += shift, p[k].y -= shift / 2;
        coverage_polygon(&c, p, n);
        for (int y = 0; y < SIZE; y++)
            for (int x = 0; x < SIZE; x++) {
                int boxed = y >= c.top && y < c.bottom && x >= c.left && x < c.right;
                double v = boxed ? value[y * (SIZE + 2) + x] : 0;
                assert_true(fabs(v - sampled_coverage(p, n, x, y)) <
                            0.08); /* two rims, each half a sample */
            }
    }
}

static void test_coverage_sums_to_the_area(void **state) {
    (void)state;
    enum { SIZE = 40 };
    float value[SIZE * (SIZE + 2)];
    struct rng r = rng_at((struct rng_key){5, RNG_TEST}, 0, 0);
    for (int i = 0; i < 500; i++) {
        struct coverage c = {.size = SIZE, .value = value};
        struct point p[3];
        double sum = 0;
        for (int k = 0; k < 3; k++)
            p[k].x = (float)rng_range(&r, 0, SIZE), p[k].y = (float)rng_range(&r, 0, SIZE);
        if (i % 5 == 0) /* edges along the grid, corners on it */
            for (int k = 0; k < 3; k++)
                p[k] = (struct point){(float)(int)p[k].x, k ? (float)(int)p[k].y : p[1].y};
        double area = 0.5 * fabs((p[1].x - (double)p[0].x) * (p[2].y - (double)p[0].y) -
                                 (p[2].x - (double)p[0].x) * (p[1].y - (double)p[0].y));
        coverage_polygon(&c, p, 3);
        for (int y = c.top; y < c.bottom; y++)
            for (int x = c.left; x < c.right; x++)
                sum += value[y * (SIZE + 2) + x];
        assert_true(fabs(sum - area) < 0.02);
    }
}

static void test_masks_show_the_object(void **state) {
    (void)state;
    static const int sizes[] = {16, 32, 64, 96, 256};
    struct arena a = {0};
    struct record r = {0};
    for (int i = 0; i < 5; i++) {
        int size = sizes[i], differing = 0, n_images = size > 100 ? 10 : 60;
        struct dataset d;
        opens(&d, arena_printf(&a, "shapes:size=%d", size));
        assert_int_equal(d.has_mask, 1);
        assert_int_equal(d.mask_classes, 1 + d.classes);
        assert_string_equal(d.mask_names[0], "background");
        assert_string_equal(d.mask_names[d.classes], d.class_names[d.classes - 1]);
        assert_int_equal(d.height, size);
        for (long k = 0; k < n_images; k++) {
            struct shape_scene s;
            struct point p[SHAPE_POINTS];
            shape_scene_make(&s, 0, SPLIT_TEST, k);
            reads(&d, SPLIT_TEST, k, &r);
            assert_int_equal(r.height, size);
            assert_int_equal(r.width, size);
            assert_int_equal(r.channels, 3);
            int n = placed(&s, size, p), area = 0;
            for (int at = 0; at < size * size; at++) {
                int in_it = inside(p, n, at % size + 0.5, at / size + 0.5);
                assert_true(r.mask[at] == 0 || r.mask[at] == 1 + r.label);
                differing += (r.mask[at] != 0) != in_it;
                area += r.mask[at] != 0;
            }
            double share = area / (double)(size * size);
            assert_true(share > 0.01 && share < 0.6);
        }
        /* Only pixels on the rim can differ, where the middle says another thing than the area. */
        assert_true(differing < 8 * n_images * size / 32 + 2);
        dataset_close(&d);
    }
    record_free(&r);
    arena_free(&a);
}

/* The object stands out: inside the mask the colours are others than outside. */
static void test_the_object_is_visible(void **state) {
    (void)state;
    struct dataset d;
    struct record r = {0};
    int faint = 0;
    opens(&d, "shapes:size=64");
    for (long i = 0; i < 300; i++) {
        double sum[2][3] = {{0}}, n[2] = {0};
        reads(&d, SPLIT_TRAIN, i, &r);
        for (int p = 0; p < 64 * 64; p++) {
            n[r.mask[p] != 0]++;
            for (int c = 0; c < 3; c++)
                sum[r.mask[p] != 0][c] += r.pixels[3 * p + c];
        }
        double distance = 0;
        for (int c = 0; c < 3; c++)
            distance += pow(sum[0][c] / n[0] - sum[1][c] / n[1], 2);
        faint += sqrt(distance) < 25;
    }
    assert_true(faint < 15);
    record_free(&r);
    dataset_close(&d);
}

static void test_a_scene_is_the_same_at_every_size(void **state) {
    (void)state;
    struct dataset small, large;
    struct record a = {0}, b = {0};
    double error = 0, spread = 0;
    opens(&small, "shapes:size=32");
    opens(&large, "shapes:size=128");
    for (long i = 0; i < 40; i++) {
        reads(&small, SPLIT_TRAIN, i, &a);
        reads(&large, SPLIT_TRAIN, i, &b);
        assert_string_equal(a.caption, b.caption);
        for (int at = 0; at < 32 * 32 * 3; at++) {
            int x = at / 3 % 32, y = at / 96;
            double sum = 0;
            for (int k = 0; k < 16; k++)
                sum += b.pixels[((y * 4 + k / 4) * 128 + x * 4 + k % 4) * 3 + at % 3];
            error += fabs(sum / 16 - a.pixels[at]);
            spread += fabs(a.pixels[at] - 255 * small.mean[at % 3]);
        }
    }
    assert_true(error < 0.12 * spread);
    record_free(&a);
    record_free(&b);
    dataset_close(&small);
    dataset_close(&large);
}

static void mean_colour(const struct record *r, double out[3]) {
    for (int c = 0; c < 3; c++) {
        out[c] = 0;
        for (int p = 0; p < 32 * 32; p++)
            out[c] += r->pixels[3 * p + c] / 1024.0;
    }
}

static void test_mean_colour_says_nothing_of_the_class(void **state) {
    (void)state;
    struct dataset d;
    struct record r = {0};
    double centre[SHAPE_CLASSES][3] = {{0}}, colour[3];
    int right = 0;
    opens(&d, "shapes:train=2000,test=1000");
    for (long i = 0; i < 2000; i++) {
        reads(&d, SPLIT_TRAIN, i, &r);
        mean_colour(&r, colour);
        for (int c = 0; c < 3; c++)
            centre[r.label][c] += colour[c] / 200;
    }
    for (long i = 0; i < 1000; i++) {
        int best = 0;
        double least = INFINITY;
        reads(&d, SPLIT_TEST, i, &r);
        mean_colour(&r, colour);
        for (int k = 0; k < SHAPE_CLASSES; k++) {
            double distance = 0;
            for (int c = 0; c < 3; c++)
                distance += pow(colour[c] - centre[k][c], 2);
            if (distance < least)
                least = distance, best = k;
        }
        right += best == r.label;
    }
    assert_in_range(right, 60, 145); /* 100 by chance, with a standard deviation of 9.5 */
    record_free(&r);
    dataset_close(&d);
}

static void test_captions_name_the_class_and_no_other(void **state) {
    (void)state;
    struct dataset d;
    struct record r = {0};
    opens(&d, "shapes:size=16");
    assert_int_equal(d.has_caption, 1);
    for (long i = 0; i < 500; i++) {
        reads(&d, SPLIT_TRAIN, i, &r);
        for (int k = 0; k < d.classes; k++)
            assert_int_equal(strstr(r.caption, d.class_names[k]) != NULL, k == r.label);
        assert_null(strstr(r.caption, "a orange"));
        assert_null(strstr(r.caption, "  "));
        assert_true(strlen(r.caption) > 20 && strlen(r.caption) < 120);
        struct record text = {.no_pixels = 1};
        reads(&d, SPLIT_TRAIN, i, &text);
        assert_string_equal(text.caption, r.caption);
        assert_int_equal(text.label, r.label);
        assert_int_equal(text.height * text.width, 1);
        record_free(&text);
    }
    record_free(&r);
    dataset_close(&d);
}

static void test_statistics_are_those_of_the_pictures(void **state) {
    (void)state;
    struct dataset d;
    struct record r = {0};
    opens(&d, "shapes:size=32,train=300");
    assert_int_equal(d.measured, 300);
    for (int c = 0; c < 3; c++) {
        double sum = 0, squares = 0, n = 300 * 1024;
        for (long i = 0; i < 300; i++) {
            reads(&d, SPLIT_TRAIN, i, &r);
            for (int p = 0; p < 1024; p++)
                sum += r.pixels[3 * p + c] / 255.0, squares += pow(r.pixels[3 * p + c] / 255.0, 2);
        }
        assert_true(fabs(d.mean[c] - sum / n) < 1e-9);
        assert_true(fabs(d.std[c] - sqrt(squares / n - sum / n * sum / n)) < 1e-9);
    }
    record_free(&r);
    dataset_close(&d);
}

static void test_wrong_specifications(void **state) {
    (void)state;
    refuses("shape", "\"shape\"", "did you mean \"shapes\"?", "fashion-mnist", "idx", "cifar10");
    refuses("", "shapes");
    refuses("xyzzy:a=1", "\"xyzzy\"", "shapes, fashion-mnist, idx, cifar10");
    refuses("shapes:siz=32", "\"siz\"", "did you mean \"size\"?", "train, test, seed, size");
    refuses("shapes:size=15", "size=15", "16 to 256");
    refuses("shapes:size=257", "size=257", "16 to 256");
    refuses("shapes:train=0", "train=0", "1 to");
    refuses("shapes:test=-5", "test=-5", "1 to");
    refuses("shapes:seed=99999999999999999999", "out of range");
    refuses("shapes:size=3x", "size=3x", "whole number");
    refuses("shapes:size=", "size=", "whole number");
    refuses("shapes:size= 32", "whole number");
    refuses("shapes:size=32,size=64", "twice");
    refuses("shapes:/some/folder", "/some/folder", "KEY=VALUE");
    char longest[700];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    refuses(longest, "at most 511");
}

static void test_the_list_names_every_dataset(void **state) {
    (void)state;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    dataset_list(out);
    fclose(out);
    for (int i = 0; dataset_sources[i]; i++) {
        assert_non_null(strstr(text, dataset_sources[i]->name));
        assert_non_null(strstr(text, dataset_sources[i]->argument_help));
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures_are_those_that_were_looked_at),
        cmocka_unit_test(test_a_picture_depends_on_seed_split_and_index_only),
        cmocka_unit_test(test_every_ten_pictures_hold_every_class),
        cmocka_unit_test(test_coverage_is_that_of_fine_sampling),
        cmocka_unit_test(test_coverage_sums_to_the_area),
        cmocka_unit_test(test_masks_show_the_object),
        cmocka_unit_test(test_the_object_is_visible),
        cmocka_unit_test(test_a_scene_is_the_same_at_every_size),
        cmocka_unit_test(test_mean_colour_says_nothing_of_the_class),
        cmocka_unit_test(test_captions_name_the_class_and_no_other),
        cmocka_unit_test(test_statistics_are_those_of_the_pictures),
        cmocka_unit_test(test_wrong_specifications),
        cmocka_unit_test(test_the_list_names_every_dataset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
