/* clones.h -- functions that are compiled for several instruction sets and give the same bits. */
#ifndef SSV_CORE_CLONES_H
#define SSV_CORE_CLONES_H

#include <limits.h> /* defines __GLIBC__ where it is */

/* Compiles a function a second time for AVX2; the processor decides at start-up.  Without fused
 * multiply-adds (-std=c11 and no -mfma: nothing is contracted) and with sums whose order is written
 * down, both give the same bits: neither a view nor a weight depends on the instruction set. */
#if defined __x86_64__ && defined __GLIBC__
#define VECTOR_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define VECTOR_CLONES
#endif

#endif
