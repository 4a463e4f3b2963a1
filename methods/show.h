/* show.h -- what a method's picture is made from, and the pictures themselves.
 *
 * A picture is drawn from the values of the method's own training graphs, run on a few test images
 * with the weights of a checkpoint: nothing is computed a second way.  In these graphs every value
 * can be read, batch norms use their running statistics and no branch is dropped, so that what is
 * shown of an image does not depend on the images beside it.
 *
 *     show_run(s, 0);                                 the first stage's graph, on training views
 *     const struct tensor *t = show_tensor(s, 0, "pred");
 *     const real *pred = show_value(s, 0, t);         (n, t->per_sample)
 *     sheet_put(s->sheet, i, 0, show_tile(s, image), "");
 *     show_put(s, i, 0, show_pixels(s, image));       of pictures as large as the images
 *     show_say(s, i, "loss %.3f", loss);              a line on stdout and in the file
 *
 * A hook may fill slots otherwise before it runs a graph (plain views, chosen noise), and run it
 * again.
 */
#ifndef SSV_METHODS_SHOW_H
#define SSV_METHODS_SHOW_H

#include "data/sheet.h"
#include "methods/trainer.h"

/* Graphs: the method's stages by number, then what protocols see of it. */
enum { SHOW_ENCODER = METHOD_STAGES, SHOW_GRAPHS };

struct show_graph {
    struct builder *b;
    int first, last; /* tensors of the method, last excluded: a graph may have several methods */
    struct exec *exec;
    void **slots;            /* of b's inputs, (n, per_sample) each, as prepare fills them */
    void *all[METHOD_SLOTS]; /* of the whole graph, and the runner's own */
    struct trainer trainer;  /* of a stage */
    long done;               /* its steps so far */
};

/* Pictures as large as the images, one of each; kept at their own size, for figures. */
struct show_kind {
    const char *name;    /* "visible"; of one of several methods "mae: visible" */
    struct canvas *tile; /* (images) */
};

struct show {
    const struct method *method;
    const void *self; /* its options */
    const struct dataset *data;
    const struct normalization *norm;
    const struct backbone *backbone;
    const struct kernels *kernels;
    int n;                        /* images */
    const struct record *records; /* (n) */
    struct show_graph graphs[SHOW_GRAPHS];
    struct sheet sheet;
    struct show_kind *kinds; /* (n_kinds) of all methods */
    int n_kinds, first_kind; /* of the last table */
    struct arena arena;      /* lives as long as the picture */
    char *said;              /* all lines */
    const char *part;        /* in front of every line, of one of several methods; "" */
};

/* Runs a graph on what its slots hold. */
void show_run(struct show *s, int graph);
/* The first value of that name; NULL when there is none. */
const struct tensor *show_tensor(const struct show *s, int graph, const char *name);
/* Of the last run: (n, per_sample). */
const real *show_value(const struct show *s, int graph, const struct tensor *t);
/* Slot i of sample j. */
void *show_slot(const struct show *s, int graph, int slot, int sample);

/* Image number i in one line of text. */
void show_say(struct show *s, int i, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Begins a table with these kinds of pictures in its columns, which show_put fills, image by
 * image. */
void show_kinds(struct show *s, int n, const char *const *names);
void show_put(struct show *s, int i, int kind, struct canvas tile);

/* A normalised image (channels,side,side) with its colours back in place. */
struct canvas show_pixels(struct show *s, int side, const float *image);
/* The same, as it is shown: small images enlarged by a whole number, to show_side(side) pixels. */
struct canvas show_tile(struct show *s, int side, const float *image);
int show_side(int side);
struct canvas show_enlarged(struct show *s, const struct canvas *c);
enum { SHOW_SMALL = 64, SHOW_FRAME = 3 };
/* The same for the head of a row or column: SHOW_SMALL pixels. */
struct canvas show_small(struct show *s, int side, const float *image);
/* A number on its colour between low and high, as large. */
struct canvas show_number(struct show *s, double x, double low, double high);
/* A table of x (n,n) as numbers on colours, the largest of each row framed, with rows (n) and
 * columns (n) as heads. */
void show_matrix(struct show *s, const double *x, const struct canvas *rows,
                 const struct canvas *columns);

/* Parts of pictures, functions of their arguments alone. */

/* p (classes) = softmax(x / temperature) */
void show_softmax(int classes, double temperature, const real *x, double *p);
double show_mean(int n, const real *x);

/* x (rows,cols) becomes x times deviation plus mean of the same row of `like`, the deviation being
 * that of standardize_rows: what undoes that kernel. */
void show_unstandardize(int rows, int cols, double eps, const real *like, real *x);
/* Patches number index (n), rows (n, channels * patch * patch), take their places in an image
 * (channels,side,side). */
void show_paste_patches(const struct kernels *k, int channels, int side, int patch, int n,
                        const int32_t *index, const real *rows, float *image);
/* Squares number index (n) of a picture of side x side pixels, patch x patch each, in one colour.
 */
void show_blank_patches(struct canvas *c, int side, int patch, int n, const int32_t *index,
                        struct color color);

/* The pictures.  Status 2 where a method cannot be shown with the options or backbone it has. */
int show_beit(struct show *s, struct error *err);
int show_clip(struct show *s, struct error *err);
int show_context_encoder(struct show *s, struct error *err);
int show_context_prediction(struct show *s, struct error *err);
int show_dino(struct show *s, struct error *err);
int show_mae(struct show *s, struct error *err);
int show_simclr(struct show *s, struct error *err);
int show_split_brain(struct show *s, struct error *err);
int show_supervised(struct show *s, struct error *err);

#endif
