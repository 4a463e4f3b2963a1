/* mse.c -- loss_i = weight_i mean_j (x - target)^2,  dx = dloss_i weight_i 2 (x - target) / cols */
#include "kernels/ref/ref.h"

void ref_mse_forward(const struct kctx *c, int rows, int cols, const real *x, const real *target,
                     const real *weight, real *loss) {
    (void)c;
    for (int i = 0; i < rows; i++) {
        double sum = 0;
        for (int j = 0; j < cols; j++) {
            size_t at = (size_t)i * (size_t)cols + (size_t)j;
            double difference = (double)x[at] - target[at];
            sum += difference * difference;
        }
        loss[i] = (real)(cols ? (weight ? weight[i] : 1) * sum / cols : 0);
    }
}

void ref_mse_backward(const struct kctx *c, int rows, int cols, const real *x, const real *target,
                      const real *weight, const real *dloss, int acc, real *dx) {
    (void)c;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) {
            size_t at = (size_t)i * (size_t)cols + (size_t)j;
            double slope = 2.0 * dloss[i] * (weight ? weight[i] : 1) / cols;
            dx[at] = (real)(slope * ((double)x[at] - target[at]) + (acc ? dx[at] : 0));
        }
}
