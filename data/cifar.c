/* cifar.c -- CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their official binary layout.
 *
 * A record is one label byte (CIFAR-100: two, coarse and fine) and 3 x 32 x 32 bytes, channel by
 * channel.
 *
 *              training records          test records     class names, one a line
 *     CIFAR-10   data_batch_{1,...,5}.bin  test_batch.bin   batches.meta.txt
 *     CIFAR-100  train.bin                 test.bin         {fine,coarse}_label_names.txt
 *
 * Of the five files as many are read as are there.  Without its file the names are the standard
 * ones.
 */
#include "core/sha256.h"
#include "data/planes_internal.h"

#include <stdlib.h>

enum { SIDE = 32, AREA = SIDE * SIDE, CHANNELS = 3, FINE = 100, COARSE = 20, TEN = 10 };
enum { TRAIN_FILES = 5, LABELS = 2 };

/* One of the labels of a record. */
struct cifar_label {
    int at; /* byte of the record */
    int classes;
    const char *names_file;
    const char *const *names;
};

struct cifar_layout {
    const char *name, *folder, *archive;
    int labels;                         /* bytes before the pixels */
    const char *train[TRAIN_FILES + 1]; /* NULL-terminated */
    const char *test;
    struct cifar_label label[LABELS]; /* by the word of the key `labels` */
};

struct cifar {
    struct slab records[SPLITS]; /* (n, record) bytes, as in the files */
    const struct cifar_layout *layout;
    const struct cifar_label *label;
    size_t record;
};

static const char *const names_10[TEN] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                          "dog",      "frog",       "horse", "ship", "truck"};

static const char *const names_fine[FINE] = {
    "apple",       "aquarium_fish", "baby",      "bear",       "beaver",       "bed",
    "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
    "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
    "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
    "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
    "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
    "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn_mower",
    "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple_tree",
    "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak_tree",     "orange",
    "orchid",      "otter",         "palm_tree", "pear",       "pickup_truck", "pine_tree",
    "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
    "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
    "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
    "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet_pepper",
    "table",       "tank",          "telephone", "television", "tiger",        "tractor",
    "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
    "willow_tree", "wolf",          "woman",     "worm"};

static const char *const names_coarse[COARSE] = {"aquatic_mammals",
                                                 "fish",
                                                 "flowers",
                                                 "food_containers",
                                                 "fruit_and_vegetables",
                                                 "household_electrical_devices",
                                                 "household_furniture",
                                                 "insects",
                                                 "large_carnivores",
                                                 "large_man-made_outdoor_things",
                                                 "large_natural_outdoor_scenes",
                                                 "large_omnivores_and_herbivores",
                                                 "medium_mammals",
                                                 "non-insect_invertebrates",
                                                 "people",
                                                 "reptiles",
                                                 "small_mammals",
                                                 "trees",
                                                 "vehicles_1",
                                                 "vehicles_2"};

static const struct cifar_layout layout_10 = {
    .name = "CIFAR-10",
    .folder = "cifar10-bin",
    .archive = "data_batch_1.bin (to 5) and test_batch.bin, from the archive \"CIFAR-10 binary "
               "version\"",
    .labels = 1,
    .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
              "data_batch_5.bin"},
    .test = "test_batch.bin",
    .label = {{0, TEN, "batches.meta.txt", names_10}}};

static const struct cifar_layout layout_100 = {
    .name = "CIFAR-100",
    .folder = "cifar100-bin",
    .archive = "train.bin and test.bin, from the archive \"CIFAR-100 binary version\"",
    .labels = 2,
    .train = {"train.bin"},
    .test = "test.bin",
    .label = {{1, FINE, "fine_label_names.txt", names_fine},
              {0, COARSE, "coarse_label_names.txt", names_coarse}}};

/* Both labels of a record, whichever counts. */
static int check_labels(const struct cifar *c, const struct record_file *f, const uint8_t *records,
                        long n, struct error *err) {
    for (long i = 0; i < n; i++)
        for (int k = 0; k < c->layout->labels; k++) {
            const struct cifar_label *l = &c->layout->label[k];
            long at = i * (long)c->record + l->at;
            if (records[at] >= l->classes)
                return error_set(err, STATUS_USAGE,
                                 "%s: offset %ld: label 0 to %d expected, found %d", f->path, at,
                                 l->classes - 1, records[at]);
        }
    return 0;
}

static int read_split(struct dataset *d, enum split split, const char *folder,
                      const char *const *names, long wanted, struct error *err) {
    struct cifar *c = d->state;
    struct record_file files[TRAIN_FILES];
    long records[TRAIN_FILES], available = 0, done = 0;
    int status = 0, n = 0;
    for (; names[n]; n++) {
        files[n] = (struct record_file){arena_printf(&d->arena, "%s/%s", folder, names[n]),
                                        c->record, c->layout->name};
        TRY(records_count(&files[n], &records[n], err));
        available += records[n];
    }
    CHECK(n > 0, "%s has no files", c->layout->name);
    if (!available)
        return error_set(err, STATUS_USAGE, "%s is missing: %s:FOLDER needs %s", files[0].path,
                         d->name, c->layout->archive);
    TRY(dataset_limit(d, split, wanted, available, err));
    TRY(slab_alloc(&c->records[split], (size_t)d->count[split] * c->record, d->name, err));
    for (int i = 0; i < n && done < d->count[split]; i++) {
        long left = d->count[split] - done, take = records[i] < left ? records[i] : left;
        uint8_t *out = (uint8_t *)c->records[split].data + (size_t)done * c->record;
        if (!take)
            continue;
        TRY(records_read(&files[i], take, out, err));
        TRY(check_labels(c, &files[i], out, take, err));
        done += take;
    }
out:
    return status;
}

static int open_folder(struct dataset *d, const char *folder, const long *values,
                       struct error *err) {
    struct cifar *c = d->state;
    const char *const test[] = {c->layout->test, NULL};
    struct sha256_ctx hash;
    int status = 0;
    TRY(read_split(d, SPLIT_TRAIN, folder, c->layout->train, values[SPLIT_TRAIN], err));
    TRY(read_split(d, SPLIT_TEST, folder, test, values[SPLIT_TEST], err));
    d->class_names = c->label->names;
    TRY(class_names_read(d, arena_printf(&d->arena, "%s/%s", folder, c->label->names_file),
                         c->label->classes, &d->class_names, err));
    d->height = d->width = SIDE;
    d->channels = CHANNELS;
    d->classes = c->label->classes;
    dataset_hash_begin(&hash, d);
    for (int s = 0; s < SPLITS; s++)
        sha256_update(&hash, c->records[s].bytes, c->records[s].data);
    sha256_end(&hash, d->root_hash);
out:
    return status;
}

static int open_cifar(struct dataset *d, const char *argument, struct error *err) {
    enum { CAPTIONS = SPLITS, WHICH, KEYS };
    static const struct dataset_key keys[KEYS] = {
        [SPLIT_TRAIN] = DATASET_TRAIN_KEY,
        [SPLIT_TEST] = DATASET_TEST_KEY,
        [CAPTIONS] = DATASET_CAPTIONS_KEY,
        [WHICH] = {.key = "labels", .words = "fine|coarse"}};
    struct cifar *c = d->state = ARENA_NEW(&d->arena, struct cifar);
    const char *home = getenv("HOME");
    long values[KEYS] = {0};
    char *folder;
    int status = 0;
    c->layout = d->source == &dataset_cifar10 ? &layout_10 : &layout_100;
    TRY(dataset_arguments(d, argument, keys, c->layout->labels == 1 ? WHICH : KEYS, values, NULL,
                          &folder, err));
    c->label = &c->layout->label[values[WHICH]];
    c->record = (size_t)c->layout->labels + CHANNELS * AREA;
    if (!folder[0])
        folder = arena_printf(&d->arena, "%s/.cache/ssvbench-data/%s", home ? home : "",
                              c->layout->folder);
    TRY(open_folder(d, folder, values, err));
    TRY(dataset_captions_of_classes(d, values[CAPTIONS], err));
out:
    return status;
}

static int read_cifar(const struct dataset *d, enum split split, long index, struct record *out,
                      struct error *err) {
    const struct cifar *c = d->state;
    const uint8_t *record = (const uint8_t *)c->records[split].data + (size_t)index * c->record;
    int status = record_reserve(out, SIDE, SIDE, CHANNELS, 0, err);
    if (status)
        return status;
    planes_to_pixels(record + c->layout->labels, SIDE, CHANNELS, 0, out->pixels);
    out->label = record[c->label->at];
    record_set_class_caption(out, d);
    return 0;
}

static void close_cifar(struct dataset *d) {
    struct cifar *c = d->state;
    for (int s = 0; c && s < SPLITS; s++)
        slab_free(&c->records[s]);
}

const struct dataset_source dataset_cifar10 = {
    .name = "cifar10",
    .title = "CIFAR-10 (Krizhevsky 2009) in the official binary layout",
    .argument_help = "FOLDER[,train=N,test=N,captions=class]",
    .open = open_cifar,
    .read = read_cifar,
    .close = close_cifar,
};

const struct dataset_source dataset_cifar100 = {
    .name = "cifar100",
    .title = "CIFAR-100 (Krizhevsky 2009) in the official binary layout; 100 or 20 classes",
    .argument_help = "FOLDER[,labels=coarse,train=N,test=N,captions=class]",
    .open = open_cifar,
    .read = read_cifar,
    .close = close_cifar,
};
