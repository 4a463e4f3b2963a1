/* lab.h -- sRGB to CIE L*a*b* and back.
 *
 * sRGB as in IEC 61966-2-1 (its transfer function, its primaries), Lab as in CIE 15 with white
 * point D65 and the 2 degree observer.  Images are planar, (3, n): L in [0, 100], a and b within
 * about [-128, 128].  White is (100, 0, 0).
 */
#ifndef SSV_DATA_LAB_H
#define SSV_DATA_LAB_H

#include <stddef.h>
#include <stdint.h>

/* rgb (3,n) in [0,1] to lab (3,n).  The two may be the same place. */
void rgb_to_lab_image(const float *rgb, size_t n, float *lab);
/* pixels (n,3), as in a record, to lab (3,n). */
void rgb8_to_lab_image(const uint8_t *pixels, size_t n, float *lab);
/* lab (3,n) to rgb (3,n), clipped to [0,1] where the colour is not one of sRGB's.  The two may be
 * the same place. */
void lab_to_rgb_image(const float *lab, size_t n, float *rgb);

#endif
