/* Any text as a table: data/table.h, and what datasets make of captions.csv, classes.csv and
 * index.csv. */
#include "data/captions_internal.h"
#include "data/segmentation_internal.h"

#include "tests/fuzz/fuzz.h"

static void look_at(const struct table *t) {
    CHECK(t->n_rows >= 1, "%ld rows", t->n_rows);
    for (long row = 0; row < t->n_rows; row++) {
        CHECK(t->lines[row] >= 2, "line %ld", t->lines[row]);
        for (int c = 0; c < t->n_columns; c++)
            fuzz_look(table_field(t, row, c), strlen(table_field(t, row, c)));
    }
}

static void try_captions(const char *path) {
    struct arena a = {0};
    struct caption_table t;
    struct error err = {0};
    int status = caption_table_read(&t, path, &a, &err);
    fuzz_status(status, &err);
    long captions = 0;
    for (long i = 0; !status && i < t.n_images; i++)
        for (int k = 0; k < t.images[i].n_captions; k++, captions++)
            CHECK(t.images[i].captions[k][0], "an empty caption");
    CHECK(status || captions == t.table.n_rows, "%ld captions", captions);
    arena_free(&a);
}

static void try_masks(const char *path) {
    struct arena a = {0};
    struct mask_classes m;
    struct table t;
    struct error err = {0};
    int status = mask_classes_read(&m, path, &a, &err);
    fuzz_status(status, &err);
    for (int i = 0; !status && i < m.n; i++)
        CHECK(m.names[i][0], "an empty name");
    status = mask_index_read(&t, path, &a, &err);
    fuzz_status(status, &err);
    if (!status)
        look_at(&t);
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const columns[] = {"a", "b", "c"};
    const char *path = fuzz_file(0, data, n);
    struct arena a = {0};
    struct table t;
    struct error err = {0};
    int status = table_read(&t, path, columns, 3, 1, &a, &err);
    fuzz_status(status, &err);
    if (!status)
        look_at(&t);
    arena_free(&a);
    try_captions(path);
    try_masks(path);
    return 0;
}

static void fuzz_seeds(const char *corpus) {
    FUZZ_SEED_TEXT(corpus, "plain", "a,b,c\n1,2,3\n\n4,5,6\n");
    FUZZ_SEED_TEXT(corpus, "quotes",
                   "\xef\xbb\xbf"
                   "b,a\r\n\"x, \"\"y\"\"\r\nz\",1\r\n");
    FUZZ_SEED_TEXT(corpus, "captions",
                   "image,caption,split\na.jpg,one,train\nb.jpg,two,test\na.jpg,\"3, 4\",train\n");
    FUZZ_SEED_TEXT(corpus, "classes", "id,name,ignore\n0,sky,0\n3,road,0\n11,void,1\n");
    FUZZ_SEED_TEXT(corpus, "id_of_two_lines", "id,name\n\"0\r\n1\",sky\n");
    FUZZ_SEED_TEXT(corpus, "index", "split,image,mask\ntrain,a.jpg,a.png\nval,b.jpg,b.png\n");
}
