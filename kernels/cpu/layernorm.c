/* layernorm.c -- formulas in kernels/ref/layernorm.c; two passes over a row that is in the cache.
 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

#include <math.h>

void ISA_NAME(layernorm_forward)(const struct kctx *c, int rows, int cols, float eps,
                                 const float *x, const float *gamma, const float *beta, float *y,
                                 float *mean, float *rstd) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, x += n, y += n) {
        float mu = n ? row_sum(x, n) / (float)cols : 0;
        float r = 1 / sqrtf((n ? row_squares(x, mu, n) / (float)cols : 0) + eps);
        mean[row] = mu;
        rstd[row] = r;
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            vec v = (vec_load_first(x + i, n - i) - mu) * r;
            if (gamma)
                v *= vec_load_first(gamma + i, n - i);
            if (beta)
                v += vec_load_first(beta + i, n - i);
            vec_store_first(y + i, n - i, v);
        }
    }
}

/* Of one row: adds to dgamma and dbeta, and returns the means of g and g xhat. */
struct means {
    float g, gx;
};

static struct means parameter_gradients(size_t n, const float *x, const float *gamma, float mu,
                                        float r, const float *dy, float *dgamma, float *dbeta) {
    vec sum_g = {0}, sum_gx = {0};
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        size_t left = n - i;
        vec slope = vec_load_first(dy + i, left); /* 0 where the row has ended */
        vec product = slope * ((vec_load_first(x + i, left) - mu) * r);
        if (dgamma)
            vec_store_first(dgamma + i, left, vec_load_first(dgamma + i, left) + product);
        if (dbeta)
            vec_store_first(dbeta + i, left, vec_load_first(dbeta + i, left) + slope);
        vec scale = gamma ? vec_load_first(gamma + i, left) : vec_set(1);
        sum_g += slope * scale;
        sum_gx += product * scale;
    }
    return (struct means){vec_sum(sum_g) / (float)n, vec_sum(sum_gx) / (float)n};
}

void ISA_NAME(layernorm_backward)(const struct kctx *c, int rows, int cols, const float *x,
                                  const float *gamma, const float *mean, const float *rstd,
                                  const float *dy, int acc, float *dx, float *dgamma, float *dbeta,
                                  float *narrow, float *sums) {
    size_t n = (size_t)cols;
    float *const all = dx;
    for (int row = 0; row < rows; row++, x += n, dy += n, dx += n) {
        float mu = mean[row], r = rstd[row];
        struct means m = parameter_gradients(n, x, gamma, mu, r, dy, dgamma, dbeta);
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            size_t left = n - i;
            vec g = vec_load_first(dy + i, left);
            if (gamma)
                g *= vec_load_first(gamma + i, left);
            vec xhat = (vec_load_first(x + i, left) - mu) * r;
            vec slope = r * (g - m.g - xhat * m.gx);
            if (acc)
                slope += vec_load_first(dx + i, left);
            vec_store_first(dx + i, left, slope);
        }
    }
    ISA_NAME(linear_gradient)(c, rows, cols, ACT_NONE, NULL, all, narrow, sums);
}
