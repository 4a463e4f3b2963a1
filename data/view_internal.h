/* view_internal.h -- what the view files share. */
#ifndef SSV_DATA_VIEW_INTERNAL_H
#define SSV_DATA_VIEW_INTERNAL_H

#include "core/error.h"

#include <limits.h> /* defines __GLIBC__ where it is */
#include <stddef.h>

/* Compiles a function a second time for AVX2; the processor decides at start-up.  Without fused
 * multiply-adds (-std=c11 and no -mfma: nothing is contracted) and with sums whose order is written
 * down, both give the same bits: a view does not depend on the instruction set. */
#if defined __x86_64__ && defined __GLIBC__
#define VECTOR_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define VECTOR_CLONES
#endif

enum { IMAGE_LARGEST = 1024 }; /* pixels of a view's side; bounds what lies on the stack */

/* Pixel i of -n < i < 2 n, mirrored at the border pixels, which are not repeated. */
static inline int view_mirror(int i, int n) {
    if (n == 1)
        return 0;
    i = i < 0 ? -i : i;
    return i < n ? i : 2 * (n - 1) - i;
}

static inline float clip(float x) {
    x = x > 0 ? x : 0;
    return x < 1 ? x : 1;
}

#endif
