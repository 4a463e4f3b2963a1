/* views.h -- the views of a sample, made at once or, where the builder renders, in the graph.
 *
 * A builder that renders (builder.renders) gives a slot of images tasks (kernels/views.h) instead,
 * and the graph makes the images of them and of the pixels that the boxes of all tasks need.  These
 * travel once for all views, as bytes, in a slot that is the runner's.  What is drawn and the order
 * of the draws are the same, and the views are those of the processor to a few roundings.
 *
 * A slot holds as many bytes as the largest image of the data, but no more than the views weigh.
 * Of an image with more pixels in its boxes the views are made at once and travel as they are.
 */
#ifndef SSV_METHODS_VIEWS_H
#define SSV_METHODS_VIEWS_H

#include "methods/method.h"

/* For prepare: view number `view` of a slot of images (channels,side,side), by the recipe, drawn
 * from s->view; or a box, mirrored when flip, in which nothing else changes. */
void sample_view(const struct sample *s, int slot, int view, int side,
                 const struct view_recipe *recipe);
void sample_crop(const struct sample *s, int slot, int view, int side, const struct crop_box *box,
                 int flip);

/* What a method's own_views says of these options; NULL: all its views can be rendered. */
const char *views_of_its_own(const struct method *m, const void *self);

/* For builder_images of a builder that renders: a slot of tasks, and what is made of them. */
struct tensor *views_declare(struct builder *b, const char *name, int ndim, const int *dim);
/* Behind prepare: the pixels that the tasks in a sample's slots need, into the runner's slot. */
void views_pack(const struct builder *b, const struct record *r, void *const *slots);
/* Of a batch: how many samples came with their views ready.  mine: as in struct step. */
int views_ready(const struct builder *b, void *const *slots, int n, const char *mine);

#endif
