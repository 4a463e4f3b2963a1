/* colors_internal.h -- colours of pictures, packed as 0xRRGGBB. */
#ifndef SSV_REPORTS_COLORS_INTERNAL_H
#define SSV_REPORTS_COLORS_INTERNAL_H

#include <stdint.h>

/* So many classes have colours of their own, those of style.gp and an orange in place of its two
 * greys; more of them run along one scale in their order. */
enum { COLORS_APART = 10 };

int color_of_class(int class, int classes);
/* A smooth scale of colours from black (0) over purple and orange to pale yellow (1). */
int color_of_heat(double x);
/* share of b over a */
int color_mix(int a, int b, double share);
int color_grey(const uint8_t rgb[3]);
int color_pack(const uint8_t rgb[3]);
int color_is_dark(int color);

#endif
