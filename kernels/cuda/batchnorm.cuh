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

/* Where a warp has work for all lanes then. */
template <class T> static inline bool in_pairs(size_t cols, const T *x) {
    return cols >= PAIR * CUDA_WARP && cuda_in_groups<PAIR>(cols, x);
}

/* Each thread of a column has some tens of rows, so that many are under way.  Where a sample has
 * but one strip, its team is larger, so that a batch of samples fills the device. */
static inline int team_of_sample(int rows, int groups) {
    enum { EACH = 32 };
    const int most = groups > CUDA_WARP ? (int)STRIP_WARPS : (int)STRIP_MOST;
    int size = 1;
    while (size < most && size * EACH < rows)
        size *= 2;
    return size;
}

/* N columns of a thread. */
template <int N, class W>
static void samples(const struct kctx *c, int n, int rows, int cols, const W &work, FROM_CALLER) {
    strips(c, (size_t)n, cols / N, team_of_sample(rows, cols / N), work, where);
}

/* What a norm has of its columns; gamma and beta may be NULL. */
struct norm_columns {
    const float *mean, *rstd, *gamma, *beta;
    int relu;
};

template <int N> struct norm_column {
    float mean[N], rstd[N], gamma[N], beta[N];
    int relu;
    __device__ norm_column(const norm_columns &of, int col) : relu(of.relu) {
        for (int k = 0; k < N; k++) {
            mean[k] = of.mean[col + k];
            rstd[k] = of.rstd[col + k];
            gamma[k] = of.gamma ? of.gamma[col + k] : 1;
            beta[k] = of.beta ? of.beta[col + k] : 0;
        }
    }
    __device__ float value(int k, float x) const {
        return norm_value(x, mean[k], rstd[k], gamma[k], beta[k]);
    }
    __device__ float masked(int k, float x, float g) const {
        return !relu || value(k, x) > 0 ? g : 0;
    }
};

#endif
