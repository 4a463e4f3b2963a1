/* attention.c -- Vaswani et al. 2017, eq. (1), for each image and head; the bias is that of
 * relative positions (Raffel et al. 2020, section 2.1):
 *
 *   p = softmax(scale q k' + bias),  y = p v          q, k, v, y (t,d), p, bias (t,t)
 *   dv = p' dy,  dp = dy v',  ds = p * (dp - rowsum(p * dp)),  dbias += ds,  dq = scale ds k,
 *   dk = scale ds' q
 *
 * Causal: a row's softmax runs over the columns up to the diagonal; p is 0 after it.
 *
 * Without p (Dao et al. 2022, section 3): lse = log of the softmax's denominator is kept, and
 *   p = exp(scale q k' + bias - lse),  rowsum(p * dp) = dy . y
 */
#include "kernels/ref/ref.h"

#include <math.h>

/* One image and head of qkv (n,t,3,heads,d) and y (n,t,heads,d): rows of d, `ld` apart. */
struct head {
    const real *q, *k, *v;
    size_t ld, ldy, qkv_at, y_at, p_at;
};

static struct head head_of(const real *qkv, int image, int h, int t, int heads, int d) {
    size_t dim = (size_t)heads * (size_t)d, token = (size_t)image * (size_t)t;
    size_t at = token * 3 * dim + (size_t)h * (size_t)d;
    return (struct head){
        .q = qkv + at,
        .k = qkv + at + dim,
        .v = qkv + at + 2 * dim,
        .ld = 3 * dim,
        .ldy = dim,
        .qkv_at = at,
        .y_at = token * dim + (size_t)h * (size_t)d,
        .p_at = (token * (size_t)heads + (size_t)h * (size_t)t) * (size_t)attention_stride(t),
    };
}

static double dot(int d, const real *a, const real *b) {
    double sum = 0;
    for (int e = 0; e < d; e++)
        sum += (double)a[e] * b[e];
    return sum;
}

/* p (tp) = softmax over j < seen of scale q k_j + bias_j */
static void probabilities(const struct head *at, int i, int t, int d, double scale, int seen,
                          const real *bias, real *p) {
    const real *q = at->q + (size_t)i * at->ld;
    double score[t], most = -INFINITY, sum = 0;
    for (int j = 0; j < seen; j++) {
        score[j] = scale * dot(d, q, at->k + (size_t)j * at->ld) + (bias ? bias[j] : 0);
        most = fmax(most, score[j]);
    }
    for (int j = 0; j < seen; j++)
        sum += exp(score[j] - most);
    for (int j = 0; j < seen; j++)
        p[j] = (real)(exp(score[j] - most) / sum);
    for (int j = seen; j < attention_stride(t); j++)
        p[j] = 0;
}

void ref_attention_forward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                           int causal, const real *bias, const real *qkv, real *p, real *y) {
    (void)c;
    for (int image = 0; image < n; image++)
        for (int h = 0; h < heads; h++) {
            const struct head at = head_of(qkv, image, h, t, heads, d);
            for (int i = 0; i < t; i++) {
                real *pi = p + at.p_at + (size_t)i * (size_t)attention_stride(t);
                size_t row = ((size_t)h * (size_t)t + (size_t)i) * (size_t)t;
                probabilities(&at, i, t, d, scale, causal ? i + 1 : t, bias ? bias + row : NULL,
                              pi);
                for (int e = 0; e < d; e++) {
                    double sum = 0;
                    for (int j = 0; j < t; j++)
                        sum += (double)pi[j] * at.v[(size_t)j * at.ld + (size_t)e];
                    y[at.y_at + (size_t)i * at.ldy + (size_t)e] = (real)sum;
                }
            }
        }
}

/* dp_ij = dy_i v_j */
static double slope_of_p(const struct head *at, int i, int j, int d, const real *dy) {
    return dot(d, dy + at->y_at + (size_t)i * at->ldy, at->v + (size_t)j * at->ld);
}

/* out (d) = sum_j weight_j x_j over the t rows of x, `ld` apart */
static void mix(int t, int d, const double *weight, const real *x, size_t ld, real *out) {
    for (int e = 0; e < d; e++) {
        double sum = 0;
        for (int j = 0; j < t; j++)
            sum += weight[j] * x[(size_t)j * ld + (size_t)e];
        out[e] = (real)sum;
    }
}

static void backward_head(const struct head *at, int t, int d, double scale, const real *p,
                          const real *dy, real *dqkv, real *dbias) {
    size_t tp = (size_t)attention_stride(t);
    double mean[t], ds[t]; /* rowsum(p * dp); a row, then a column, of ds */
    for (int i = 0; i < t; i++) {
        const real *pi = p + at->p_at + (size_t)i * tp;
        mean[i] = 0;
        for (int j = 0; j < t; j++)
            mean[i] += pi[j] * slope_of_p(at, i, j, d, dy);
        for (int j = 0; j < t; j++) {
            double slope = pi[j] * (slope_of_p(at, i, j, d, dy) - mean[i]);
            ds[j] = slope * scale;
            if (dbias)
                dbias[i * t + j] = (real)(dbias[i * t + j] + slope);
        }
        mix(t, d, ds, at->k, at->ld, dqkv + at->qkv_at + (size_t)i * at->ld);
    }
    for (int j = 0; j < t; j++) {
        double pj[t];
        for (int i = 0; i < t; i++) {
            pj[i] = p[at->p_at + (size_t)i * tp + (size_t)j];
            ds[i] = pj[i] * (slope_of_p(at, i, j, d, dy) - mean[i]) * scale;
        }
        real *dk = dqkv + at->qkv_at + at->ldy + (size_t)j * at->ld, *dv = dk + at->ldy;
        mix(t, d, ds, at->q, at->ld, dk);
        mix(t, d, pj, dy + at->y_at, at->ldy, dv);
    }
}

void ref_attention_backward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                            int causal, const real *qkv, const real *p, const real *dy, real *dqkv,
                            real *dbias) {
    (void)c;
    (void)causal; /* p has its zeros */
    for (int image = 0; image < n && t; image++)
        for (int h = 0; h < heads; h++) {
            const struct head at = head_of(qkv, image, h, t, heads, d);
            backward_head(&at, t, d, scale, p, dy, dqkv,
                          dbias ? dbias + (size_t)h * (size_t)t * (size_t)t : NULL);
        }
}

/* scale q_i k_j + bias_ij */
static double score(const struct head *at, int i, int j, int t, int d, double scale,
                    const real *bias) {
    return scale * dot(d, at->q + (size_t)i * at->ld, at->k + (size_t)j * at->ld) +
           (bias ? bias[(size_t)i * (size_t)t + (size_t)j] : 0);
}

/* Of one head, and so are bias (t,t), lse (t) and dbias (t,t). */
static void flash_forward(const struct head *at, int t, int d, double scale, int causal,
                          const real *bias, real *lse, real *y) {
    for (int i = 0; i < t; i++) {
        double p[t], most = -INFINITY, sum = 0;
        int seen = causal ? i + 1 : t;
        for (int j = 0; j < seen; j++) {
            p[j] = score(at, i, j, t, d, scale, bias);
            most = fmax(most, p[j]);
        }
        int k = 0;
        do /* there is one at least */
            sum += p[k] = exp(p[k] - most);
        while (++k < seen);
        for (int j = 0; j < seen; j++)
            p[j] /= sum;
        lse[i] = (real)(most + log(sum));
        mix(seen, d, p, at->v, at->ld, y + at->y_at + (size_t)i * at->ldy);
    }
}

static void flash_backward(const struct head *at, int t, int d, double scale, int causal,
                           const real *bias, const real *lse, const real *y, const real *dy,
                           real *dqkv, real *dbias) {
    double mean[t], p[t], ds[t]; /* p and ds: a row, then a column */
    for (int i = 0; i < t; i++) {
        size_t row = at->y_at + (size_t)i * at->ldy;
        int seen = causal ? i + 1 : t;
        mean[i] = dot(d, dy + row, y + row);
        for (int j = 0; j < seen; j++) {
            double slope = exp(score(at, i, j, t, d, scale, bias) - lse[i]) *
                           (slope_of_p(at, i, j, d, dy) - mean[i]);
            ds[j] = slope * scale;
            if (dbias)
                dbias[i * t + j] = (real)(dbias[i * t + j] + slope);
        }
        mix(seen, d, ds, at->k, at->ld, dqkv + at->qkv_at + (size_t)i * at->ld);
    }
    for (int j = 0; j < t; j++) {
        for (int i = 0; i < t; i++) {
            p[i] = causal && i < j ? 0 : exp(score(at, i, j, t, d, scale, bias) - lse[i]);
            ds[i] = p[i] * (slope_of_p(at, i, j, d, dy) - mean[i]) * scale;
        }
        real *dk = dqkv + at->qkv_at + at->ldy + (size_t)j * at->ld, *dv = dk + at->ldy;
        mix(t, d, ds, at->q, at->ld, dk);
        mix(t, d, p, dy + at->y_at, at->ldy, dv);
    }
}

void ref_attention_flash_forward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                 int causal, const real *bias, const real *qkv, real *lse,
                                 real *y) {
    (void)c;
    for (int image = 0; image < n && t; image++)
        for (int h = 0; h < heads; h++, lse += t) {
            const struct head at = head_of(qkv, image, h, t, heads, d);
            flash_forward(&at, t, d, scale, causal,
                          bias ? bias + (size_t)h * (size_t)t * (size_t)t : NULL, lse, y);
        }
}

void ref_attention_flash_backward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                  int causal, const real *bias, const real *qkv, const real *lse,
                                  const real *y, const real *dy, real *dqkv, real *dbias) {
    (void)c;
    for (int image = 0; image < n && t; image++)
        for (int h = 0; h < heads; h++, lse += t) {
            const struct head at = head_of(qkv, image, h, t, heads, d);
            size_t pairs = (size_t)h * (size_t)t * (size_t)t;
            flash_backward(&at, t, d, scale, causal, bias ? bias + pairs : NULL, lse, y, dy, dqkv,
                           dbias ? dbias + pairs : NULL);
        }
}

void ref_attention_row_forward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                               int causal, const real *bias, const real *qkv, const int32_t *row,
                               int row_stride, real *p, real *y) {
    (void)c;
    for (int image = 0; image < n && t; image++)
        for (int h = 0; h < heads; h++, p += attention_stride(t), y += d) {
            const struct head at = head_of(qkv, image, h, t, heads, d);
            int i = row[(size_t)image * (size_t)row_stride];
            const real *row_bias =
                bias ? bias + ((size_t)h * (size_t)t + (size_t)i) * (size_t)t : NULL;
            double weight[t];
            probabilities(&at, i, t, d, scale, causal ? i + 1 : t, row_bias, p);
            for (int j = 0; j < t; j++)
                weight[j] = p[j];
            mix(t, d, weight, at.v, at.ld, y);
        }
}

/* Row i of backward_head alone; dqkv starts as zeros. */
static void backward_row(const struct head *at, int i, int t, int d, double scale, const real *p,
                         const real *dy, real *dqkv, real *dbias) {
    const real *q = at->q + (size_t)i * at->ld;
    double mean = 0, ds[t];
    for (int j = 0; j < t; j++)
        mean += p[j] * dot(d, dy, at->v + (size_t)j * at->ld);
    for (int j = 0; j < t; j++) {
        double slope = p[j] * (dot(d, dy, at->v + (size_t)j * at->ld) - mean);
        real *dk = dqkv + at->qkv_at + at->ldy + (size_t)j * at->ld, *dv = dk + at->ldy;
        ds[j] = slope * scale;
        if (dbias)
            dbias[i * t + j] = (real)(dbias[i * t + j] + slope);
        for (int e = 0; e < d; e++) {
            dk[e] = (real)(ds[j] * q[e]);
            dv[e] = p[j] * dy[e];
        }
    }
    mix(t, d, ds, at->k, at->ld, dqkv + at->qkv_at + (size_t)i * at->ld);
}

void ref_attention_row_backward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                int causal, const real *qkv, const int32_t *row, int row_stride,
                                const real *p, const real *dy, real *dqkv, real *dbias) {
    (void)c;
    (void)causal; /* p has its zeros */
    size_t count = (size_t)n * (size_t)t * 3 * (size_t)heads * (size_t)d;
    for (size_t i = 0; i < count; i++)
        dqkv[i] = 0;
    for (int image = 0; image < n && t; image++)
        for (int h = 0; h < heads; h++, p += attention_stride(t), dy += d) {
            const struct head at = head_of(qkv, image, h, t, heads, d);
            backward_row(&at, row[(size_t)image * (size_t)row_stride], t, d, scale, p, dy, dqkv,
                         dbias ? dbias + (size_t)h * (size_t)t * (size_t)t : NULL);
        }
}
