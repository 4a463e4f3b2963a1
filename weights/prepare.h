/* prepare.h -- how images are prepared for a network: its family's way, then as the files beside
 * the weights have it, then as the user says.
 */
#ifndef SSV_WEIGHTS_PREPARE_H
#define SSV_WEIGHTS_PREPARE_H

#include "weights/network.h"

extern const char *const interpolation_names[];

/* The size that the files beside the weights name, into o, where the user names none. */
void prepare_image(const struct source *s, const struct preprocessing *usual,
                   struct network_options *o, char text[32]);
/* Status 2: the files prepare images in a way that is not here, and the user says nothing that
 * could stand in its place. */
int prepare_as_file(const struct source *s, const struct network_options *o,
                    struct preprocessing *p, struct error *err);
int prepare_as_told(const struct network_options *o, struct preprocessing *p, struct error *err);

#endif
