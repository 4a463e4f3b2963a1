/* samples.h -- what a finished encoder makes of the first test images: samples.h5 beside run.h5.
 *
 *     TRY(samples_read(&s, "out/mae-.../samples.h5", err));
 *     if (s.attention) ...                     what a run does not have is NULL, and its number 0
 *     samples_free(&s);
 *
 * It holds pictures and features for figures, no results: nothing that reads run.h5 needs it, and
 * it can be made again from the checkpoint.  docs/results.md states the schema.  Written like
 * run.h5: atomically, with a checksum behind it.
 */
#ifndef SSV_RESULTS_SAMPLES_H
#define SSV_RESULTS_SAMPLES_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

#define SAMPLES_FORMAT "ssvbench-samples"
#define SAMPLES_FORMAT_VERSION "1.0"
#define SAMPLES_FILE "samples.h5"

enum { SAMPLES_MASK_IGNORE = 255 }; /* a pixel of no known class */

struct sample_pictures {
    int n, height, width;
    const uint8_t *rgb;   /* (n, height, width, 3) */
    const int16_t *label; /* (n), -1: none; NULL: no labels at all */
};

/* What the method makes of these pictures: for each, tiles as large as it. */
struct sample_tiles {
    int n;                   /* kinds of tiles */
    const char *const *name; /* (n) "visible"; of a part of several methods "mae: visible" */
    const uint8_t *rgb;      /* (n, pictures, height, width, 3) */
};

/* Of the class token in the last block. */
struct sample_attention {
    int heads, height, width; /* places */
    const float *weight;      /* (pictures, heads, height, width) */
};

struct sample_features {
    char representation[32]; /* "layer6.cls" */
    int n, dim;
    const float *x;       /* (n, dim) of the first n test images */
    const int16_t *label; /* (n), as above */
    double explained[2];  /* shares of the variance */
    const double *pca;    /* (n, 2) the first principal components; NULL: features are all equal */
    const double *tsne;   /* (n, 2); NULL: too few */
};

/* Cosines of the first n pictures with their first captions. */
struct sample_similarity {
    int n;
    const float *cosine;        /* (images, texts) */
    const char *const *caption; /* (n) */
};

/* What the protocol `segment` predicted for the first test images, at the pictures' resolution. */
struct sample_segment {
    char dataset[64], protocol_version[16];
    int32_t background; /* class 0 is what belongs to no object */
    struct sample_pictures pictures;
    const uint8_t *truth, *predicted; /* (n, height, width) classes or SAMPLES_MASK_IGNORE */
    int n_classes;
    const char *const *class_name; /* (n_classes) */
};

struct samples {
    struct arena arena; /* owns what was read */
    char run_id[128], dataset[64];
    int32_t asked; /* pictures that were asked for: the test split may have fewer */
    int n_classes;
    const char *const *class_name; /* (n_classes) of labels */
    struct sample_pictures pictures;
    struct sample_tiles tiles;
    struct sample_attention attention;
    struct sample_features features;
    struct sample_similarity similarity;
    struct sample_segment segment;
};

/* Status 3 when it cannot be written; an older file stays then. */
int samples_write(const struct samples *s, const char *path, struct error *err);
/* Fills *s, whatever it held.  Status 2 for a missing, broken, foreign or too new file, in one line
 * with its name; *s is then empty. */
int samples_read(struct samples *s, const char *path, struct error *err);
void samples_free(struct samples *s);

#endif
