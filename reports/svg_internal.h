/* svg_internal.h -- what gnuplot's SVG files lack. */
#ifndef SSV_REPORTS_SVG_INTERNAL_H
#define SSV_REPORTS_SVG_INTERNAL_H

#include "core/error.h"

/* Pixels of the images in it stay squares, whatever size they are shown at: viewers would smooth
 * them.  Atomic; a file without images stays as it is. */
int svg_keep_pixels(const char *path, struct error *err);

#endif
