/* zeroshot.h -- the parts of zero-shot classification that tests look at. */
#ifndef SSV_PROTOCOLS_ZEROSHOT_H
#define SSV_PROTOCOLS_ZEROSHOT_H

#include "core/arena.h"
#include "core/error.h"

/* Templates "a photo of a {}.|{}" around every class name: (classes, *n) texts, class-major, in a.
 * '_' in a name becomes a blank.  Status 2 for a template without {} or with two. */
int zeroshot_prompts(const char *templates, const char *const *names, int classes, struct arena *a,
                     const char ***texts, int *n, struct error *err);
/* Radford et al. 2021, section 3.1.4: a class is the mean of its n texts' unit vectors, made unit
 * length.  texts (classes, n, dim) -> out (classes, dim). */
void zeroshot_classes(const float *texts, int classes, int n, int dim, float *out);
/* scores (images, classes): cosines; 0 where an image is the zero vector. */
void zeroshot_scores(const float *images, int n, const float *classes, int n_classes, int dim,
                     float *scores);

#endif
