/* softmax_xent.c -- softmax and cross-entropy with label smoothing (Szegedy et al. 2016, section
 * 7):
 *
 *   p = softmax(x),  q_j = (1 - smooth) [j = target] + smooth / classes
 *   loss = -sum_j q_j log p_j,  dx = dloss (p - q);  both 0 for a negative target
 */
#include "kernels/ref/ref.h"

#include <math.h>

void ref_softmax_xent_forward(const struct kctx *c, int rows, int classes, real smooth,
                              const real *x, const int32_t *target, real *p, real *loss) {
    (void)c;
    for (int i = 0; i < rows; i++) {
        const real *xi = x + (size_t)i * (size_t)classes;
        real *pi = p + (size_t)i * (size_t)classes;
        double most = -INFINITY, sum = 0, total = 0;
        for (int j = 0; j < classes; j++)
            most = xi[j] > most ? xi[j] : most;
        for (int j = 0; j < classes; j++)
            sum += exp(xi[j] - most);
        double log_sum = classes ? most + log(sum) : 0; /* log p_j = x_j - log_sum */
        for (int j = 0; j < classes; j++) {
            pi[j] = (real)(exp(xi[j] - most) / sum);
            total += log_sum - xi[j];
        }
        loss[i] = 0;
        if (target[i] >= 0 && classes)
            loss[i] = (real)((1 - (double)smooth) * (log_sum - xi[target[i]]) +
                             (smooth > 0 ? smooth * total / classes : 0));
    }
}

void ref_softmax_xent_backward(const struct kctx *c, int rows, int classes, real smooth,
                               const real *p, const int32_t *target, const real *dloss, int acc,
                               real *dx) {
    (void)c;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < classes; j++) {
            size_t at = (size_t)i * (size_t)classes + (size_t)j;
            double q = (double)smooth / classes + (j == target[i] ? 1 - (double)smooth : 0);
            double slope = target[i] < 0 ? 0 : dloss[i] * (p[at] - q);
            dx[at] = (real)(slope + (acc ? dx[at] : 0));
        }
}
