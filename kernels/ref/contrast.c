/* contrast.c -- what contrastive losses are made of: NT-Xent, Chen et al. 2020, eq. (1), and
 * CLIP's, Radford et al. 2021, figure 3.  Formulas in kernels.h.
 */
#include "kernels/ref/ref.h"

#include <math.h>

struct pairs {
    int n, dim, views;
    double scale;
    const real *x, *y;
};

static double factor(double scale, const real *log_scale) {
    return log_scale ? scale * exp((double)*log_scale) : scale;
}

static double logit(const struct pairs *p, int i, int j) {
    double sum = 0;
    for (size_t e = 0; e < (size_t)p->dim; e++)
        sum += (double)p->x[(size_t)i * (size_t)p->dim + e] *
               (double)p->y[(size_t)j * (size_t)p->dim + e];
    return p->scale * sum;
}

static int partner_of(const struct pairs *p, int row) {
    return p->views ? row ^ 1 : row;
}

static int compared(const struct pairs *p, int i, int j) {
    return !p->views || i != j;
}

void ref_contrast_rows(const struct kctx *c, int n, int dim, int views, double scale,
                       const real *log_scale, const real *x, const real *y, real *r,
                       real *partner) {
    const struct pairs p = {n, dim, views, factor(scale, log_scale), x, y};
    (void)c;
    for (int i = 0; i < n; i++) {
        double most = -INFINITY, sum = 0;
        for (int j = 0; j < n; j++)
            most = compared(&p, i, j) ? fmax(most, logit(&p, i, j)) : most;
        for (int j = 0; j < n; j++)
            sum += compared(&p, i, j) ? exp(logit(&p, i, j) - most) : 0;
        r[i] = (real)(sum > 0 ? most + log(sum) : most);
        if (partner)
            partner[i] = (real)logit(&p, i, partner_of(&p, i));
    }
}

/* g_ij; l: logit (i,j) */
static double slope(const struct pairs *p, int i, int j, double l, const real *weight,
                    const real *r, const real *col) {
    double own = (double)weight[i], other = (double)weight[j];
    if (!compared(p, i, j))
        return 0;
    double g = own * exp(l - (double)r[i]) + other * exp(l - (double)col[j]);
    return j == partner_of(p, i) ? g - own - other : g;
}

void ref_contrast_gradient(const struct kctx *c, int n, int dim, int views, double scale,
                           const real *log_scale, const real *x, const real *y, const real *weight,
                           const real *r, const real *col, int acc, real *dx, real *own,
                           real *dlog) {
    const struct pairs p = {n, dim, views, factor(scale, log_scale), x, y};
    double all = 0;
    (void)c;
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int e = 0; e < dim && dx; e++) {
            real *to = dx + (size_t)i * (size_t)dim + (size_t)e;
            double d = acc ? (double)*to : 0;
            for (int j = 0; j < n; j++)
                d += p.scale * slope(&p, i, j, logit(&p, i, j), weight, r, col) *
                     (double)y[(size_t)j * (size_t)dim + (size_t)e];
            *to = (real)d;
        }
        for (int j = 0; j < n; j++)
            sum += slope(&p, i, j, logit(&p, i, j), weight, r, col) * logit(&p, i, j);
        if (own)
            own[i] = (real)sum;
        all += (double)(real)sum;
    }
    if (dlog)
        *dlog += (real)all;
}

void ref_contrast_loss(const struct kctx *c, int n, const real *r, const real *col, real *loss) {
    (void)c;
    for (int i = 0; i < n; i++)
        loss[i] =
            col ? (real)(((double)r[i] + (double)col[i]) / 2 - (double)loss[i]) : r[i] - loss[i];
}
