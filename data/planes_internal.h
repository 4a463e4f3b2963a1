/* planes_internal.h -- files of records of one length, each with an image in planes: CIFAR's and
 * STL's. */
#ifndef SSV_DATA_PLANES_INTERNAL_H
#define SSV_DATA_PLANES_INTERNAL_H

#include "data/dataset_internal.h"

struct record_file {
    const char *path;
    size_t record;  /* bytes */
    const char *of; /* "CIFAR-10", for messages */
};

/* How many records the file's length makes; 0 when there is no such file.  Status 2 with the offset
 * of a record that is cut off. */
int records_count(const struct record_file *f, long *records, struct error *err);
/* The first n of them. */
int records_read(const struct record_file *f, long n, uint8_t *out, struct error *err);

/* Names of classes, one a line, exactly n; *names stays as it is when there is no such file. */
int class_names_read(struct dataset *d, const char *path, int n, const char *const **names,
                     struct error *err);

/* From channel after channel to channels-last.  by_column: a plane goes down its first column
 * first. */
void planes_to_pixels(const uint8_t *planes, int side, int channels, int by_column, uint8_t *out);

#endif
