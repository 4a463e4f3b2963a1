/* blas.h -- matrix products by cuBLASLt, which is opened when it is there.
 *
 * Row-major products are asked of a column-major library with the operands exchanged.  Which of its
 * kernels runs is chosen once per shape, so the same call gives the same bits every time; another
 * number of rows may get another kernel, and then other last bits.
 */
#ifndef SSV_KERNELS_CUDA_BLAS_H
#define SSV_KERNELS_CUDA_BLAS_H

#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

struct blas;

/* y (m,n) = alpha op(a) op(b) + beta add + bias; op(a) is (m,k), op(b) is (k,n).  bias (n) may be
 * NULL; add (m,n) may be y; y does not overlap what else is read.  Floats, or in 16 bits (bfloat16)
 * a and b with halves_in, y, add and bias with halves_out; sums are in float. */
struct product {
    int m, n, k, ta, tb;
    float alpha, beta;
    const void *a, *b, *add, *bias;
    void *y;
    int lda, ldb, ld_add, ldy;
    int halves_in, halves_out;
};

/* d: whose memory the library works in.  Status 3 with one line when the library or the memory is
 * not there. */
int blas_open(struct blas **out, struct device *d, void *stream, enum device_math math,
              struct error *err);
void blas_close(struct blas *b); /* NULL: nothing */
/* For how many products the library has no kernel, and which was the first; "" while there are
 * none. It stays where it is until blas_close. */
const char *blas_note(const struct blas *b);
size_t blas_workspace(const struct blas *b); /* bytes */
/* 0, or a cublasStatus_t; BLAS_NONE: the library has no kernel for it. */
enum { BLAS_NONE = 15 };
int blas_product(struct blas *b, const struct product *p);
const char *blas_error(struct blas *b, int status);

/* A matrix is not packed for the library: where it lies is kept under the place that was meant for
 * its packed form. */
struct packed_matrix {
    const void *packed;
    const void *w; /* stored as the product says */
    int ldw, transposed;
};
/* 0, or BLAS_NONE when there is no memory. */
int blas_remember(struct blas *b, const struct packed_matrix *m);
/* NULL: nothing was packed there. */
const struct packed_matrix *blas_recall(const struct blas *b, const void *packed);

#ifdef __cplusplus
}
#endif

#endif
