/* audit.h -- what is in a dataset, by reading all of it: `ssvbench data verify`.
 *
 *     struct audit a;
 *     TRY(audit_run(&a, &d, NULL, err));
 *     ... a.split[SPLIT_TRAIN].broken ...
 *     audit_free(&a);
 *
 * Two images are the same when their pixels are, as the program gets them, whatever their files.
 */
#ifndef SSV_DATA_AUDIT_H
#define SSV_DATA_AUDIT_H

#include "data/dataset.h"

#include <signal.h>

enum { AUDIT_NAMED = 10 };

struct audit_pair { /* indices into their splits; b is the same as a, which comes first */
    enum split split_a, split_b;
    long a, b;
};

/* Of a file; what only some datasets know (those that are files of images). */
enum audit_property {
    AUDIT_JPEG,
    AUDIT_PNG,
    AUDIT_WEBP,
    AUDIT_ROTATED, /* by EXIF */
    AUDIT_GREY_FILE,
    AUDIT_ALPHA,
    AUDIT_CMYK,
    AUDIT_16_BIT,
    AUDIT_PALETTE,
    AUDIT_PROGRESSIVE,
    AUDIT_PROFILE,
    AUDIT_PROPERTIES
};
extern const char *const audit_properties[AUDIT_PROPERTIES];

struct audit_split {
    long n, broken;
    long grey;               /* of the n: red, green and blue are the same everywhere */
    long duplicates;         /* the same as an earlier one of the split */
    long *per_class;         /* (classes) */
    int height[2], width[2]; /* least and most; of the files where they are known */
    long files;              /* whose properties are known */
    long property[AUDIT_PROPERTIES];
};

struct audit {
    struct arena arena;
    struct audit_split split[SPLITS];
    long overlap;                         /* test images that are in the training split, too */
    struct audit_pair pairs[AUDIT_NAMED]; /* the first duplicates and overlaps */
    int n_pairs;
    const char *broken[AUDIT_NAMED]; /* messages of the first ones */
    int n_broken;
};

/* Status 3, or STATUS_INTERRUPTED once *stop (may be NULL) is set: what is wrong with an image is
 * part of the audit. */
int audit_run(struct audit *a, const struct dataset *d, const volatile sig_atomic_t *stop,
              struct error *err);
/* How many classes have images for testing and none for training; *first: one of them. */
int audit_untrained(const struct audit *a, const struct dataset *d, int *first);
void audit_free(struct audit *a);

/* In `out`: {"train": {"images": N, "broken": N, "duplicates": N, "grey": N, "height": [least,
 * most], "width": .., "per_class": [N, ..], "files": {"JPEG": N, ..}}, "test": ..,
 * "also_in_training": N}.
 */
char *audit_json(const struct audit *a, const struct dataset *d, struct arena *out);

/* SHA-256 over the names of the classes in their order: labels mean the same where it is the same.
 */
void audit_class_order(const struct dataset *d, char hash[65]);

#endif
