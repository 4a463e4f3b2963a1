/* source.h -- the tensors of a safetensors file that somebody else wrote, and what lies beside it.
 *
 *     TRY(source_open(&s, "vit.safetensors", err));
 *     source_strip(s, "module.");              names are without it from here on
 *     const struct source_tensor *t = source_find(s, "cls_token");
 *     source_reals(t, 0, n, out);              as float, whatever it is in the file
 *     source_close(s);
 *
 * The file is mapped and read where tensors are asked for.  config.json, preprocessor_config.json
 * and open_clip_config.json in its folder are read where they are there: what timm, Hugging Face
 * and OpenCLIP write beside weights, and what names and shapes do not say.
 */
#ifndef SSV_WEIGHTS_SOURCE_H
#define SSV_WEIGHTS_SOURCE_H

#include "core/arena.h"
#include "nn/safetensors.h"

struct source_tensor {
    const char *name; /* without the prefix; NULL: it does not begin with that */
    const struct st_tensor *t;
    int used;
};

struct source {
    struct arena arena;
    const char *path, *prefix;
    struct st_file *file;
    struct source_tensor *tensors; /* (n) in the order of the file */
    int n;
    void *config; /* the three files in one JSON object, see source_number */
};

/* Status 2 as st_open, and for a file beside it that is no JSON. */
int source_open(struct source **out, const char *path, struct error *err);
/* Names are without the prefix from now on; returns how many begin with it. */
int source_strip(struct source *s, const char *prefix);
struct source_tensor *source_find(const struct source *s, const char *name); /* NULL: not there */
/* The same of a name made as printf does. */
struct source_tensor *source_findf(const struct source *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* How many of FORMAT with 0, 1, 2, ... for its %d there are without a gap. */
int source_count(const struct source *s, const char *format);
/* Dimension i, 0 where there is no such tensor or dimension. */
int source_dim(const struct source *s, const char *name, int i);
size_t source_entries(const struct source_tensor *t);
/* F64, F32, F16, BF16; 0 for any other type. */
int source_is_real(const struct source_tensor *t);
/* n entries from `first` on. */
void source_reals(const struct source_tensor *t, size_t first, size_t n, float *out);

/* From the files beside it, by a path such as "vision_config.hidden_size": the number, or what is
 * given where there is none; likewise a text, and up to `most` numbers of a list (returns how
 * many). */
double source_number(const struct source *s, const char *path, double otherwise);
/* The same cut to a whole number; 0: it is too large for one. */
int source_int(const struct source *s, const char *path, int otherwise);
const char *source_text(const struct source *s, const char *path, const char *otherwise);
int source_list(const struct source *s, const char *path, double *out, int most);
void source_close(struct source *s); /* NULL: nothing */

#endif
