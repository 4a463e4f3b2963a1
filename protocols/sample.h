/* sample.h -- samples.h5: what a finished encoder makes of the first test images, for figures.
 *
 * Nothing here decides a result, so nothing but Ctrl-C and a full machine ends a run: what cannot
 * be made is a line of warning.
 */
#ifndef SSV_PROTOCOLS_SAMPLE_H
#define SSV_PROTOCOLS_SAMPLE_H

#include "protocols/cell.h"
#include "results/samples.h"

/* After the pretraining, before anything is judged: makes the cell's samples.h5, unless it has as
 * many pictures as `--samples` asks for or that is 0.  `suite` as in cell_open.
 * STATUS_INTERRUPTED after a stop, with an older file as it was; otherwise 0. */
int cell_sample(struct cell *c, const struct settings *suite, struct error *err);
/* Adds what a protocol predicted of the first test images that are judged. */
void cell_sample_masks(struct cell *c, const struct eval *e, const struct mask_pictures *masks);

/* sample_parts.c: a part each into s, in its arena; n pictures. */
int sample_pictures(struct cell *c, int n, struct samples *s, struct error *err);
int sample_tiles(struct cell *c, const struct settings *suite, int n, struct samples *s,
                 struct error *err);
int sample_attention(struct cell *c, int n, struct samples *s, struct error *err);
/* And the similarity of the pictures and their captions, where there is a text tower. */
int sample_features(struct cell *c, int n, struct samples *s, struct error *err);
/* The first n test images of d, as large as the encoder's input, in a. */
int sample_images(const struct cell *c, const struct dataset *d, int n, struct sample_pictures *p,
                  struct arena *a, struct error *err);

#endif
