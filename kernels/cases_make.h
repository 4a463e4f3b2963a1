/* cases_make.h -- what a file cases_*.c is written with: one function a kernel that names its
 * buffers, its FLOPs and makes its call, and a table of them with shapes. */
#ifndef SSV_KERNELS_CASES_MAKE_H
#define SSV_KERNELS_CASES_MAKE_H

#include "kernels/cases.h"

/* The tables, one a family; `families` of cases.c lists them. */
extern const struct kernel_case cases_table[], cases_conv[], cases_net[], cases_rows[],
    cases_copy[], cases_views[];

#define SHAPES(list, bench) list, sizeof list / sizeof *list, bench

static inline real *in(struct case_run *r, int rows, int width) {
    return case_real(r, CASE_INPUT, (size_t)rows, (size_t)width, (size_t)width);
}

static inline real *update(struct case_run *r, int rows, int width) {
    return case_real(r, CASE_UPDATE, (size_t)rows, (size_t)width, (size_t)width);
}

static inline real *out(struct case_run *r, int rows, int width) {
    return case_real(r, CASE_OUTPUT, (size_t)rows, (size_t)width, (size_t)width);
}

/* What acc adds to or overwrites. */
static inline real *gradient(struct case_run *r, int acc, int rows, int width) {
    return acc ? update(r, rows, width) : out(r, rows, width);
}

#endif
