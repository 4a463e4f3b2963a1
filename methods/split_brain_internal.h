/* split_brain_internal.h -- what split-brain's computation and its picture share; nobody else
 * includes it. */
#ifndef SSV_METHODS_SPLIT_BRAIN_INTERNAL_H
#define SSV_METHODS_SPLIT_BRAIN_INTERNAL_H

#include "methods/lab_bins.h"

enum { LAB_CHANNELS = 3 };

/* The encoder sees (x - mean) / std of L, a and b. */
static const float LAB_MEAN[LAB_CHANNELS] = {50, 0, 0}, LAB_STD[LAB_CHANNELS] = {25, 15, 15};

struct split_brain_runtime {
    struct lab_bins bins;
    int grid; /* places along each side of the map */
};

#endif
