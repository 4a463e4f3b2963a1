/* watch.h -- kernels that compute nothing and tell which shapes they were called with.
 *
 * A step run with them, on memory that may hold anything, names every kernel that a network calls
 * and the numbers of kernels/cases.h for it, so that the benchmark times what networks do.
 */
#ifndef SSV_KERNELS_WATCH_H
#define SSV_KERNELS_WATCH_H

#include "kernels/cases.h"

struct kernel_watch {
    /* Called on the thread of the call.  dim: of the kernel's case; 0 behind its last.  halves: of
     * the call's context. */
    void (*note)(void *self, const char *kernel, const int dim[CASE_DIMS], unsigned halves);
    void *self;
};

/* kctx.watch says whom to tell; NULL: nobody.  sum_squares is 1. */
const struct kernels *kernels_watching(void);

#endif
