/* network.h -- a network that somebody else trained: what it is, how its images are prepared, and
 * its weights in a model of this program.
 *
 *     TRY(network_open(&n, &s, "vit.safetensors", &options, err));   recognised, described
 *     backbone_encode(g, encoder, &n.backbone, images, NULL, ENCODE_LAYERS, &e);
 *     network_classify(g, head, &n, &e);  network_project(...);  network_text(...);
 *     TRY(model_allocate(&m, 0, 0, err));
 *     TRY(network_load(&n, s, &m, &coverage, err));
 *     source_close(s);
 *
 * What it is comes from names and shapes of tensors, from the files beside them, and from options,
 * the later ones first.  Parameters are in groups: "encoder", "head" (a classifier fc, a projection
 * into CLIP's space), "text".
 */
#ifndef SSV_WEIGHTS_NETWORK_H
#define SSV_WEIGHTS_NETWORK_H

#include "data/preprocess.h"
#include "nn/backbone.h"
#include "nn/text.h"
#include "weights/source.h"

#include <stdio.h>

struct family;

enum { NETWORK_NAME = 48 };

/* How positions are made for another grid than the weights'. */
enum resampling {
    RESAMPLE_BICUBIC, /* PyTorch's interpolate to a size: a = -0.75, half-pixel centres (MAE, HF) */
    RESAMPLE_OFFSET,  /* the same by a factor of (n + 0.1) / own, as DINO's code has it */
    RESAMPLE_ANTIALIAS /* a = -0.5, wider when shrinking: antialias=True (timm, OpenCLIP) */
};

/* What a user may say; zeros and "" (or NULL) leave it to the file. */
struct network_options {
    const char *as, *prefix;
    const char *image;      /* "224", "192x256": height and width */
    const char *mean, *std; /* three numbers */
    const char *interpolation, *fit, *activation, *pool;
    const char *ignore; /* patterns of tensors that may stay unused, separated by blanks */
    int heads, text_heads;
    double crop;
};

struct network {
    const struct family *family;
    char name[NETWORK_NAME]; /* "vit-base", "resnet50"; backbone.name is this */
    struct backbone backbone;
    struct preprocessing preprocessing;
    int classes;            /* of its classifier; 0: it has none */
    int projection;         /* width of the space that images and texts share; 0: there is none */
    struct text text;       /* vocabulary 0: no text tower */
    int rows, cols;         /* grid of positions here; 0: there are none */
    int own_rows, own_cols; /* grid of those in the file */
    int own_lack_cls;       /* and they have no row for CLS, whose position is in it already */
    char remark[160];       /* what was assumed and cannot be seen in the file, or "" */
};

/* What became of the tensors.  Names are in the arena, one a line. */
struct coverage {
    struct arena arena;
    int loaded; /* tensors of the file that are in the model */
    int spared; /* that have no place in it, and why is known */
    int made;   /* parameters that the file leaves out by design, and that are 0 */
    int unused, missing, mismatched;
    int resampled; /* position tables for another grid */
    const char *spared_list, *unused_list, *missing_list, *mismatched_list;
};

/* *n must not move afterwards.  Status 2 when nothing is recognised (with the families there are)
 * or something does not fit.  Nothing to close then. */
int network_open(struct network *n, struct source **s, const char *path,
                 const struct network_options *o, struct error *err);
/* Logits (N,classes) of what the backbone gave, NULL: no classifier. */
struct tensor *network_classify(struct graph *g, int head, const struct network *n,
                                const struct encoded *e);
/* Images in the space of texts (N,projection), NULL: there is none. */
struct tensor *network_project(struct graph *g, int head, const struct network *n,
                               const struct encoded *e);
/* Fills every parameter of the groups encoder, head and text that m has.  A text tower that m has
 * no parameters for is spared.  Status 2, saying which, when a parameter has no tensor, a tensor
 * has another shape or no parameter, or a value is not finite.  c is to be freed in any case. */
int network_load(const struct network *n, struct source *s, struct model *m, const char *ignore,
                 struct coverage *c, struct error *err);
/* What the network is, how its images are prepared, what became of the tensors: a few lines. */
void network_print(const struct network *n, const char *path, FILE *out);
void coverage_print(const struct coverage *c, FILE *out);
void coverage_free(struct coverage *c);

/* Positions in (1 + rows * cols, dim) for another grid. */
void resample_positions(enum resampling how, int rows, int cols, int dim, const float *in,
                        int to_rows, int to_cols, float *out);
/* Entries of a table of relative positions for a grid: one for each offset, three for CLS. */
static inline int relative_entries(int rows, int cols) {
    return (2 * rows - 1) * (2 * cols - 1) + 3;
}
/* Such a table (entries,heads) for another grid, transposed: out (heads,entries of that grid).  The
 * entries of CLS stay as they are. */
void resample_relative(int rows, int cols, int heads, const float *in, int to_rows, int to_cols,
                       float *out);
/* The families of weights: what is recognised and how images are prepared. */
void families_print(FILE *out);
/* "resized bicubic, the middle 0.9 of it; mean ..., deviation ..." */
void preprocessing_print(const struct preprocessing *p, FILE *out);

#endif
