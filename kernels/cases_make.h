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

/* The arrays of the call in the order of its parameters, integers too; NULL: left out. */
#define ARRAYS(r, ...)                                                                             \
    case_arrays((r), sizeof(const void *[]){__VA_ARGS__} / sizeof(void *),                         \
                (const void *const[]){__VA_ARGS__})

/* For what is packed before the call, whose second array it is; as: of the packing. */
static inline struct kctx packing(const struct case_run *r, unsigned as) {
    struct kctx c = *r->c;
    c.halves = c.halves & 1u << 1 ? as : 0;
    return c;
}

/* Of `rows` that n are picked from, each different: how many are left. */
static inline double left_over(int rows, int n) {
    return n < rows ? rows - n : 0;
}

/* What acc adds to or overwrites. */
static inline real *gradient(struct case_run *r, int acc, int rows, int width) {
    return acc ? update(r, rows, width) : out(r, rows, width);
}

#endif
