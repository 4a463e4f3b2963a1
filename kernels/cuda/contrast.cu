/* contrast.cu -- formulas in kernels.h.  A warp to each row; logits are computed where they are
 * wanted, and never stored. */
#include "kernels/cuda/device.cuh"

namespace {

struct pairs {
    int n, dim, views;
    float scale;
    const float *log_scale, *x, *y;
    __device__ float factor() const {
        return log_scale ? scale * expf(*log_scale) : scale;
    }
    __device__ float logit(float s, size_t i, size_t j) const {
        const float *a = x + i * (size_t)dim, *b = y + j * (size_t)dim;
        float sum = 0;
        for (int e = 0; e < dim; e++)
            sum += a[e] * b[e];
        return s * sum;
    }
    __device__ size_t partner_of(size_t i) const {
        return views ? i ^ 1 : i;
    }
};

struct log_sums {
    pairs p;
    float *r, *partner;
    __device__ void operator()(size_t i, int lane) const {
        float s = p.factor(), most = -INFINITY, sum = 0; /* of the lane's columns so far */
        for (size_t j = (size_t)lane; j < (size_t)p.n; j += CUDA_WARP) {
            if (p.views && j == i)
                continue;
            float l = p.logit(s, i, j), higher = fmaxf(most, l);
            sum = sum * (most < higher ? expf(most - higher) : 1) + expf(l - higher);
            most = higher;
        }
        float top = warp_max(most);
        sum = warp_sum(most > -INFINITY ? sum * expf(most - top) : 0);
        if (lane)
            return;
        r[i] = sum > 0 ? top + logf(sum) : top;
        if (partner)
            partner[i] = p.logit(s, i, p.partner_of(i));
    }
};

enum { WIDE = 8, EACH_TIME = WIDE * CUDA_WARP }; /* entries of dx that a warp has in registers */

struct gradient {
    pairs p;
    const float *weight, *r, *col;
    int acc;
    float *dx, *own;
    /* g_ij; l: logit (i,j) */
    __device__ float slope(size_t i, size_t j, float l) const {
        if (p.views && i == j)
            return 0;
        float g = weight[i] * expf(l - r[i]) + weight[j] * expf(l - col[j]);
        return j == p.partner_of(i) ? g - weight[i] - weight[j] : g;
    }
    __device__ void operator()(size_t i, int lane) const {
        float s = p.factor(), mine = 0;
        for (int e0 = 0; e0 == 0 || e0 < p.dim; e0 += EACH_TIME) {
            float sum[WIDE];
            for (int q = 0; q < WIDE; q++)
                sum[q] = 0;
            for (size_t j0 = 0; j0 < (size_t)p.n; j0 += CUDA_WARP) {
                size_t j = j0 + (size_t)lane;
                float l = j < (size_t)p.n ? p.logit(s, i, j) : 0;
                float g = j < (size_t)p.n ? slope(i, j, l) : 0;
                mine += e0 ? 0 : g * l;
                add(j0, e0, lane, s * g, sum);
            }
            for (int q = 0; q < WIDE; q++) {
                int e = e0 + lane + q * CUDA_WARP;
                if (!dx || e >= p.dim)
                    continue;
                float *to = dx + i * (size_t)p.dim + (size_t)e;
                *to = acc ? *to + sum[q] : sum[q];
            }
        }
        mine = warp_sum(mine);
        if (!lane && own)
            own[i] = mine;
    }
    /* The lanes' slopes times their rows of y. */
    __device__ void add(size_t j0, int e0, int lane, float g, float *sum) const {
        for (int k = 0; k < CUDA_WARP; k++) {
            float of_k = __shfl_sync(cuda_all_lanes, g, k);
            for (int q = 0; q < WIDE; q++) {
                int e = e0 + lane + q * CUDA_WARP;
                if (j0 + (size_t)k < (size_t)p.n && e < p.dim)
                    sum[q] += of_k * p.y[(j0 + (size_t)k) * (size_t)p.dim + (size_t)e];
            }
        }
    }
};

/* One warp. */
struct add_all {
    int n;
    const float *own;
    float *to;
    __device__ void operator()(size_t row, int lane) const {
        float sum = 0;
        for (int i = lane; i < n; i += CUDA_WARP)
            sum += own[i];
        sum = warp_sum(sum);
        if (!lane)
            to[row] += sum;
    }
};

struct loss_of {
    const float *r, *col;
    float *loss;
    __device__ void operator()(size_t i) const {
        loss[i] = (col ? (r[i] + col[i]) / 2 : r[i]) - loss[i];
    }
};

} // namespace

void cuda_contrast_rows(const struct kctx *c, int n, int dim, int views, double scale,
                        const real *log_scale, const real *x, const real *y, real *r,
                        real *partner) {
    const pairs p = {n, dim, views, (float)scale, log_scale, x, y};
    rows(c, (size_t)n, log_sums{p, r, partner});
}

void cuda_contrast_gradient(const struct kctx *c, int n, int dim, int views, double scale,
                            const real *log_scale, const real *x, const real *y, const real *weight,
                            const real *r, const real *col, int acc, real *dx, real *own,
                            real *dlog) {
    const pairs p = {n, dim, views, (float)scale, log_scale, x, y};
    rows(c, (size_t)n, gradient{p, weight, r, col, acc, dx, own});
    if (dlog)
        rows(c, 1, add_all{n, own, dlog});
}

void cuda_contrast_loss(const struct kctx *c, int n, const real *r, const real *col, real *loss) {
    each(c, (size_t)n, loss_of{r, col, loss});
}
