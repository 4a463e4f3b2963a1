/* contrast.cu -- formulas in kernels.h.  Products of as many rows with all others as fit into the
 * workspace, then a team for each row of them.  A gradient has the exponentials of logits without
 * the maximum taken off, which multiply errors: its logits are doubles. */
#include "kernels/cuda/product.cuh"
#include "kernels/cuda/team.cuh"

namespace {

/* to (m,n) = x (m,dim) y' (dim,n) */
template <class T> struct dots {
    typedef T part;
    enum { LEFT_ALONG_K = 1, RIGHT_ALONG_K = 1 };
    size_t n, dim;
    const float *x, *y;
    T *to;
    __device__ float left(size_t, int i, int p) const {
        return x[(size_t)i * dim + (size_t)p];
    }
    __device__ float right(size_t, int p, int j) const {
        return y[(size_t)j * dim + (size_t)p];
    }
    __device__ void put(size_t, int i, int j, double sum) const {
        to[(size_t)i * n + (size_t)j] = (T)sum;
    }
};

/* dx (m,dim) = acc dx + slope (m,n) y (n,dim) */
struct gather_slopes {
    typedef float part;
    enum { LEFT_ALONG_K = 1, RIGHT_ALONG_K = 0 };
    size_t n, dim;
    const double *slope;
    const float *y;
    int acc;
    float *dx;
    __device__ float left(size_t, int i, int p) const {
        return (float)slope[(size_t)i * n + (size_t)p];
    }
    __device__ float right(size_t, int p, int j) const {
        return y[(size_t)p * dim + (size_t)j];
    }
    __device__ void put(size_t, int i, int j, double sum) const {
        float *to = dx + (size_t)i * dim + (size_t)j;
        *to = (float)(acc ? (double)*to + sum : sum);
    }
};

/* Rows first, first + 1, ... with all n. */
struct pairs {
    int n, views;
    size_t first;
    double scale;
    const float *log_scale;
    __device__ double factor() const {
        return log_scale ? scale * exp((double)*log_scale) : scale;
    }
    __device__ int partner_of(size_t i) const {
        return (int)(views ? i ^ 1 : i);
    }
    __device__ bool compared(size_t i, int j) const {
        return !views || (size_t)j != i;
    }
};

struct log_sums {
    pairs p;
    const float *dots;
    float *r, *partner;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *dot = dots + row * (size_t)p.n, s = (float)p.factor();
        float most = -INFINITY, sum = 0;
        size_t i = p.first + row;
        TEAM_EACH(j, team, p.n) {
            most = p.compared(i, j) ? fmaxf(most, s * dot[j]) : most;
        }
        most = team.max(most);
        TEAM_EACH(j, team, p.n) {
            sum += p.compared(i, j) ? expf(s * dot[j] - most) : 0;
        }
        sum = team.sum(sum);
        if (team.rank)
            return;
        r[i] = sum > 0 ? most + logf(sum) : most;
        if (partner)
            partner[i] = s * dot[p.partner_of(i)];
    }
};

/* Of a pair: its dot product, and what is known of the other. */
struct other {
    double dot;
    float weight, col;
};

/* Dot products become s g. */
struct slopes {
    pairs p;
    double *dots;
    const float *weight, *r, *col;
    float *own;
    /* g_ij; l: logit (i,j) */
    __device__ double slope(size_t i, int j, double l, other o) const {
        if (!p.compared(i, j))
            return 0;
        double mine = (double)weight[i], its = (double)o.weight;
        double g = mine * exp(l - (double)r[i]) + its * exp(l - (double)o.col);
        return j == p.partner_of(i) ? g - mine - its : g;
    }
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        double *dot = dots + row * (size_t)p.n;
        double s = p.factor(), sum = 0;
        team_batches(
            team, p.n,
            [&](int j) {
                return other{dot[j], weight[j], col[j]};
            },
            [&](int j, other o) {
                double l = s * o.dot, g = slope(p.first + row, j, l, o);
                sum += g * l;
                dot[j] = s * g;
            });
        sum = team.sum(sum);
        if (!team.rank && own)
            own[p.first + row] = (float)sum;
    }
};

/* One row. */
struct add_all {
    int n;
    const float *own;
    float *to;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        double sum = 0;
        TEAM_EACH(i, team, n) {
            sum += (double)own[i];
        }
        sum = team.sum(sum);
        if (!team.rank)
            to[row] += (float)sum;
    }
};

struct loss_of {
    const float *r, *col;
    float *loss;
    __device__ void operator()(size_t i) const {
        loss[i] = (col ? (r[i] + col[i]) / 2 : r[i]) - loss[i];
    }
};

/* Rows from `first` whose products, of so many bytes, are in the workspace together. */
int rows_at_once(int n, int first, size_t bytes) {
    size_t most = KERNEL_WORKSPACE * sizeof(float) / bytes / (size_t)n;
    return (int)cuda_least((size_t)(n - first), most ? most : 1);
}

} // namespace

void cuda_contrast_rows(const struct kctx *c, int n, int dim, int views, double scale,
                        const real *log_scale, const real *x, const real *y, real *r,
                        real *partner) {
    size_t width = (size_t)dim;
    float *dot = c->workspace;
    for (int first = 0, m; first < n; first += m) {
        m = rows_at_once(n, first, sizeof *dot);
        const pairs p = {n, views, (size_t)first, scale, log_scale};
        products(c, 1, m, n, dim, dots<float>{(size_t)n, width, x + (size_t)first * width, y, dot});
        team_rows(c, (size_t)m, n, log_sums{p, dot, r, partner});
    }
}

void cuda_contrast_gradient(const struct kctx *c, int n, int dim, int views, double scale,
                            const real *log_scale, const real *x, const real *y, const real *weight,
                            const real *r, const real *col, int acc, real *dx, real *own,
                            real *dlog) {
    size_t width = (size_t)dim;
    double *dot = reinterpret_cast<double *>(c->workspace);
    for (int first = 0, m; first < n; first += m) {
        m = rows_at_once(n, first, sizeof *dot);
        const pairs p = {n, views, (size_t)first, scale, log_scale};
        size_t at = (size_t)first * width;
        products(c, 1, m, n, dim, dots<double>{(size_t)n, width, x + at, y, dot});
        team_rows(c, (size_t)m, n, slopes{p, dot, weight, r, col, own});
        if (dx)
            products(c, 1, m, dim, n, gather_slopes{(size_t)n, width, dot, y, acc, dx + at});
    }
    if (dlog)
        team_rows(c, 1, n, add_all{n, own, dlog});
}

void cuda_contrast_loss(const struct kctx *c, int n, const real *r, const real *col, real *loss) {
    each(c, (size_t)n, loss_of{r, col, loss});
}
