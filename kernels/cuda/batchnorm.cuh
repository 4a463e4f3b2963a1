/* batchnorm.cuh -- what the files of batch norm share; formulas in kernels/ref/batchnorm.c.  A
 * strip for each sample and 32 columns.  X: how x and its gradient are stored, Y: the output, its
 * gradient and the residual. */
#ifndef SSV_KERNELS_CUDA_BATCHNORM_CUH
#define SSV_KERNELS_CUDA_BATCHNORM_CUH

#include "kernels/cuda/half.cuh"
#include "kernels/cuda/team.cuh"

/* Of strips whose rows lie one after the other. */
struct sample_rows {
    int rows;
    size_t cols;
    __device__ size_t at(size_t sample, int row, int col) const {
        return (sample * (size_t)rows + (size_t)row) * cols + (size_t)col;
    }
    /* Of two numbers for each column of a sample the first. */
    __device__ size_t pair(size_t sample, int col) const {
        return 2 * sample * cols + (size_t)col;
    }
};

/* A value before residual and ReLU; of a mask as of the output, so that both agree. */
__device__ static inline float norm_value(float x, float mean, float rstd, float gamma,
                                          float beta) {
    return (x - mean) * rstd * gamma + beta;
}

/* Neighbouring columns of a thread, where they lie so that they can be had at once. */
enum { PAIR = 2 };

/* Numbers of 16 bits, where a warp has work for all lanes then. */
template <class T> static inline bool in_pairs(size_t cols, const T *x) {
    return cols >= PAIR * CUDA_WARP && cuda_in_groups<PAIR>(cols, x);
}

/* Each thread of a column has some tens of rows, so that many are under way. */
static inline int team_of_rows(int rows) {
    enum { EACH = 32 };
    int size = 1;
    while (size < CUDA_WARP && size * EACH < rows)
        size *= 2;
    return size;
}

/* N columns of a thread. */
template <int N, class W>
static void samples(const struct kctx *c, int n, int rows, int cols, const W &work, FROM_CALLER) {
    strips(c, (size_t)n, cols / N, team_of_rows(rows), work, where);
}

#endif
