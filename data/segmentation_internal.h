/* segmentation_internal.h -- what the files of the segmentation dataset share. */
#ifndef SSV_DATA_SEGMENTATION_INTERNAL_H
#define SSV_DATA_SEGMENTATION_INTERNAL_H

#include "data/dataset_internal.h"
#include "data/table.h"

enum { MASK_VALUES = 256 };

/* classes.csv */
struct mask_classes {
    struct table table;
    const char **names; /* (n), by id */
    int n;
    uint8_t class_of[MASK_VALUES]; /* of a mask's value; MASK_IGNORE for all others */
    struct mask_colour {
        uint32_t rgb; /* 0xRRGGBB */
        uint8_t class;
    } * colours; /* (n_colours) by rgb: of an RGB mask; none: the table has no such columns */
    int n_colours;
};

/* Everything is owned by a.  Status 2 with file and line for what is missing or wrong. */
int mask_classes_read(struct mask_classes *m, const char *path, struct arena *a, struct error *err);
uint8_t mask_class_of_colour(const struct mask_classes *m, uint32_t rgb);

/* index.csv: a row an image, of which none comes twice. */
enum index_column { INDEX_IMAGE, INDEX_MASK, INDEX_SPLIT, INDEX_COLUMNS };
int mask_index_read(struct table *t, const char *path, struct arena *a, struct error *err);

#endif
