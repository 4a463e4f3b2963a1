/* view_internal.h -- what the view files share. */
#ifndef SSV_DATA_VIEW_INTERNAL_H
#define SSV_DATA_VIEW_INTERNAL_H

#include "core/clones.h"
#include "core/error.h"

#include <stddef.h>

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
