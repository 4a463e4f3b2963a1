/* attention.cu -- softmax(scale q k' + bias) v, a warp for each query, and for each key on the way
 * back; formulas in kernels/ref/attention.c.  p is kept, so this is for short sequences. */
#include "kernels/cuda/device.cuh"

#define EACH_OF(j, lane, n) for (int j = (lane); j < (n); j += CUDA_WARP)

namespace {

/* qkv (n,t,3,heads,d), y (n,t,heads,d), p (n,heads,queries,tp) */
struct attention {
    int t, heads, d, causal;
    float scale;
    const float *bias, *qkv;
    const int32_t *row; /* one query an image, row[image * row_stride]; NULL: all */
    int row_stride;

    __device__ int queries() const {
        return row ? 1 : t;
    }
    __device__ size_t stride() const {
        return (size_t)((t + 7) / 8 * 8);
    }
    /* Which of q, k, v: part 0, 1, 2. */
    __device__ size_t at(size_t image, int token, int part, int head) const {
        return (((image * (size_t)t + (size_t)token) * 3 + (size_t)part) * (size_t)heads +
                (size_t)head) *
               (size_t)d;
    }
    __device__ size_t y_at(size_t image, int query, int head) const {
        return ((image * (size_t)queries() + (size_t)query) * (size_t)heads + (size_t)head) *
               (size_t)d;
    }
    __device__ size_t p_at(size_t image, int head, int query) const {
        return ((image * (size_t)heads + (size_t)head) * (size_t)queries() + (size_t)query) *
               stride();
    }
    __device__ int token_of(size_t image, int query) const {
        return row ? row[image * (size_t)row_stride] : query;
    }
    __device__ float dot(const float *a, const float *b) const {
        float sum = 0;
        for (int e = 0; e < d; e++)
            sum += a[e] * b[e];
        return sum;
    }
};

/* What a warp works on. */
struct task {
    size_t image;
    int head, query;
};

__device__ task task_of(size_t i, int heads, int queries) {
    return {i / (size_t)queries / (size_t)heads, (int)(i / (size_t)queries % (size_t)heads),
            (int)(i % (size_t)queries)};
}

struct forward {
    attention a;
    float *p, *y;
    __device__ void operator()(size_t i, int lane) const {
        const task at = task_of(i, a.heads, a.queries());
        int token = a.token_of(at.image, at.query), seen = a.causal ? token + 1 : a.t;
        const float *q = a.qkv + a.at(at.image, token, 0, at.head);
        const float *bias =
            a.bias ? a.bias + ((size_t)at.head * (size_t)a.t + (size_t)token) * (size_t)a.t : NULL;
        float *row = p + a.p_at(at.image, at.head, at.query), most = -INFINITY, sum = 0;
        EACH_OF(j, lane, seen) {
            row[j] =
                a.scale * a.dot(q, a.qkv + a.at(at.image, j, 1, at.head)) + (bias ? bias[j] : 0);
            most = fmaxf(most, row[j]);
        }
        most = warp_max(most);
        EACH_OF(j, lane, seen) {
            row[j] = expf(row[j] - most);
            sum += row[j];
        }
        sum = warp_sum(sum);
        EACH_OF(j, lane, (int)a.stride())
        row[j] = j < seen ? row[j] / sum : 0;
        __syncwarp(); /* each lane has written what all read now */
        EACH_OF(e, lane, a.d) {
            float out = 0;
            for (int j = 0; j < seen; j++)
                out += row[j] * a.qkv[a.at(at.image, j, 2, at.head) + (size_t)e];
            y[a.y_at(at.image, at.query, at.head) + (size_t)e] = out;
        }
    }
};

/* By queries: rowsum(p dp) is kept, dq is written. */
struct backward_queries {
    attention a;
    const float *p, *dy;
    float *mean, *dqkv;
    __device__ void operator()(size_t i, int lane) const {
        const task at = task_of(i, a.heads, a.queries());
        int token = a.token_of(at.image, at.query);
        const float *row = p + a.p_at(at.image, at.head, at.query);
        const float *d = dy + a.y_at(at.image, at.query, at.head);
        float *dq = dqkv + a.at(at.image, token, 0, at.head), sum = 0;
        EACH_OF(j, lane, a.t)
        sum += row[j] * a.dot(d, a.qkv + a.at(at.image, j, 2, at.head));
        sum = warp_sum(sum);
        if (!lane)
            mean[i] = sum;
        for (int e = 0; e < a.d; e++) {
            float out = 0;
            EACH_OF(j, lane, a.t)
            out += row[j] * (a.dot(d, a.qkv + a.at(at.image, j, 2, at.head)) - sum) *
                   a.qkv[a.at(at.image, j, 1, at.head) + (size_t)e];
            out = warp_sum(out);
            if (!lane)
                dq[e] = a.scale * out;
        }
    }
};

/* By keys: dk and dv are written. */
struct backward_keys {
    attention a;
    const float *p, *dy, *mean;
    float *dqkv;
    __device__ void operator()(size_t i, int lane) const {
        const task at = task_of(i, a.heads, a.t);
        int key = at.query;
        const float *v = a.qkv + a.at(at.image, key, 2, at.head);
        size_t first = (at.image * (size_t)a.heads + (size_t)at.head) * (size_t)a.queries();
        float *dk = dqkv + a.at(at.image, key, 1, at.head);
        float *dv = dqkv + a.at(at.image, key, 2, at.head);
        for (int e = 0; e < a.d; e++) {
            float to_k = 0, to_v = 0;
            EACH_OF(query, lane, a.queries()) {
                const float *d = dy + a.y_at(at.image, query, at.head);
                float share = p[a.p_at(at.image, at.head, query) + (size_t)key];
                float slope = share * (a.dot(d, v) - mean[first + (size_t)query]);
                int token = a.token_of(at.image, query);
                to_k += slope * a.qkv[a.at(at.image, token, 0, at.head) + (size_t)e];
                to_v += share * d[e];
            }
            to_k = warp_sum(to_k);
            to_v = warp_sum(to_v);
            if (lane)
                continue;
            dk[e] = a.scale * to_k;
            dv[e] = to_v;
        }
    }
};

/* dbias[head, token, key] over the images, in order. */
struct backward_bias {
    attention a;
    int n;
    const float *p, *dy, *mean;
    float *dbias;
    __device__ void operator()(size_t i) const {
        int key = (int)(i % (size_t)a.t), token = (int)(i / (size_t)a.t % (size_t)a.t);
        int head = (int)(i / (size_t)a.t / (size_t)a.t);
        float sum = 0;
        for (int image = 0; image < n; image++) {
            int query = a.row ? 0 : token;
            if (a.token_of((size_t)image, query) != token)
                continue;
            const float *d = dy + a.y_at((size_t)image, query, head);
            size_t at = ((size_t)image * (size_t)a.heads + (size_t)head) * (size_t)a.queries();
            sum += p[a.p_at((size_t)image, head, query) + (size_t)key] *
                   (a.dot(d, a.qkv + a.at((size_t)image, key, 2, head)) - mean[at + (size_t)query]);
        }
        dbias[i] += sum;
    }
};

void run_forward(const struct kctx *c, int n, const attention &a, float *p, float *y) {
    rows(c, (size_t)n * (size_t)a.heads * (size_t)(a.row ? 1 : a.t), forward{a, p, y});
}

/* As many images at a time as have room for a number a query in the workspace. */
void run_backward(const struct kctx *c, int n, attention a, const float *p, const float *dy,
                  float *dqkv, float *dbias) {
    size_t queries = (size_t)a.heads * (size_t)(a.row ? 1 : a.t),
           token = (size_t)a.heads * (size_t)a.d;
    size_t each_p = queries * (size_t)attention_stride(a.t);
    size_t each_y = (size_t)(a.row ? 1 : a.t) * token, each_qkv = (size_t)a.t * 3 * token;
    int most = queries ? (int)(KERNEL_WORKSPACE / queries) : n;
    float *mean = c->workspace;
    for (int first = 0; first < n && a.t; first += most) {
        int some = n - first < most ? n - first : most;
        rows(c, (size_t)some * queries, backward_queries{a, p, dy, mean, dqkv});
        rows(c, (size_t)some * (size_t)a.heads * (size_t)a.t, backward_keys{a, p, dy, mean, dqkv});
        if (dbias)
            each(c, (size_t)a.heads * (size_t)a.t * (size_t)a.t,
                 backward_bias{a, some, p, dy, mean, dbias});
        p += (size_t)some * each_p;
        dy += (size_t)some * each_y;
        dqkv += (size_t)some * each_qkv;
        a.qkv += (size_t)some * each_qkv;
        a.row += a.row ? (size_t)some * (size_t)a.row_stride : 0;
    }
}

} // namespace

void cuda_attention_forward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                            int causal, const real *bias, const real *qkv, real *p, real *y) {
    run_forward(c, n, attention{t, heads, d, causal, scale, bias, qkv, NULL, 0}, p, y);
}

void cuda_attention_backward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                             int causal, const real *qkv, const real *p, const real *dy, real *dqkv,
                             real *dbias) {
    run_backward(c, n, attention{t, heads, d, causal, scale, NULL, qkv, NULL, 0}, p, dy, dqkv,
                 dbias);
}

void cuda_attention_row_forward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                int causal, const real *bias, const real *qkv, const int32_t *row,
                                int row_stride, real *p, real *y) {
    if (t)
        run_forward(c, n, attention{t, heads, d, causal, scale, bias, qkv, row, row_stride}, p, y);
}

void cuda_attention_row_backward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                 int causal, const real *qkv, const int32_t *row, int row_stride,
                                 const real *p, const real *dy, real *dqkv, real *dbias) {
    cuda_fill(c, (size_t)n * (size_t)t * 3 * (size_t)heads * (size_t)d, 0, dqkv);
    run_backward(c, n, attention{t, heads, d, causal, scale, NULL, qkv, row, row_stride}, p, dy,
                 dqkv, dbias);
}
