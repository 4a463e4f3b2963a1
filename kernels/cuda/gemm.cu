/* gemm.cu -- y = alpha op(a) op(b) + beta y, and the same with a right-hand side prepared once. */
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/tile.cuh"

namespace {

/* A: how both factors are stored, Y: the result and what is as large; float or in 16 bits. */
template <class A> struct matrix {
    const A *x;
    size_t ld;
    int transposed;
    __device__ float at(int i, int j) const {
        return transposed ? x[(size_t)j * ld + (size_t)i] : x[(size_t)i * ld + (size_t)j];
    }
};

template <class A> struct plain {
    matrix<A> a, b;
    float alpha, beta, *y;
    size_t ldy;
    __device__ float left(int i, int p) const {
        return a.at(i, p);
    }
    __device__ float right(int p, int j) const {
        return b.at(p, j);
    }
    __device__ void put(int part, int i, int j, float sum) const {
        float *to = y + (size_t)i * ldy + (size_t)j;
        (void)part;
        *to = beta != 0 ? alpha * sum + beta * *to : alpha * sum; /* with 0 it may hold NaN */
    }
};

/* What becomes of a product: kept and residual are dense, y is not. */
template <class Y> struct ending {
    size_t n, ldy;
    const float *bias;
    enum activation act;
    Y *kept;
    const Y *residual;
    Y *y;
};

template <class A, class Y> struct packed_product {
    matrix<A> a, w;
    ending<Y> end;
    __device__ float left(int i, int p) const {
        return a.at(i, p);
    }
    __device__ float right(int p, int j) const {
        return w.at(p, j);
    }
    __device__ void put(int part, int i, int j, float sum) const {
        size_t dense = (size_t)i * end.n + (size_t)j;
        (void)part;
        sum += end.bias ? end.bias[j] : 0;
        if (end.kept)
            end.kept[dense] = sum;
        end.y[(size_t)i * end.ldy + (size_t)j] =
            activate(end.act, sum) + (end.residual ? (float)end.residual[dense] : 0);
    }
};

template <class T> struct pack {
    size_t cols;
    matrix<float> w;
    T *packed;
    __device__ void operator()(size_t i) const {
        packed[i] = w.at((int)(i / cols), (int)(i % cols));
    }
};

/* What follows a product by the library: `from` holds a b + bias and may be y.  N neighbours of a
 * dense result, or one of any. */
template <class Y, int N> struct product_end {
    ending<Y> end;
    const Y *from;
    __device__ void operator()(size_t group) const {
        const size_t i = group * N;
        const size_t to = N > 1 || end.ldy == end.n ? i : i / end.n * end.ldy + i % end.n;
        several<Y, N> y = take<N>(from + (from == end.y ? to : i)), rest = {};
        if (end.residual)
            rest = take<N>(end.residual + i);
        for_activation(end.act, [&](enum activation act) {
#pragma unroll
            for (int k = 0; k < N; k++)
                y.v[k] = activate(act, y.v[k]) + (float)rest.v[k];
        });
        put<N>(end.y + to, y);
    }
};

template <class Y> struct stored_bias {
    const float *x;
    Y *y;
    __device__ void operator()(size_t i) const {
        y[i] = x[i];
    }
};

/* Whether the library has done it. */
bool by_library(const struct kctx *c, const struct product *p, const char *where) {
    struct cuda_queue *q = cuda_queue_of(c);
    if (!q->blas || p->m <= 0 || p->n <= 0 || p->k <= 0)
        return false;
    int status = blas_product(q->blas, p);
    if (status && status != BLAS_NONE && !q->error) {
        q->error = status;
        q->where = where;
        q->says = blas_error(q->blas, status);
    }
    return status != BLAS_NONE;
}

/* Arrays are those of gemm_packed; A and Y say how they are stored. */
template <class A, class Y> struct packed_call {
    const struct kctx *c;
    int m, n, k;
    const A *a;
    int lda;
    const real *packed;
    ending<Y> end;

    /* The library wants a bias as it stores the result.  It is not told how a bias lies, and may
     * read 16 bytes of it at once. */
    const void *bias() const {
        enum { WIDE = 16 / sizeof(float) };
        if (!end.bias || (sizeof(Y) == sizeof(float) && cuda_in_groups<WIDE>(WIDE, end.bias)))
            return end.bias;
        each(c, end.n, stored_bias<Y>{end.bias, reinterpret_cast<Y *>(c->workspace)},
             "cuda_gemm_packed");
        return c->workspace;
    }
    /* there: where w lies.  What act is given goes to kept, or where its result will be. */
    bool by_library_at(const struct packed_matrix *there) const {
        const bool ends = end.act != ACT_NONE || end.kept, adds = end.residual && !ends;
        if (ends && !end.kept && end.residual == end.y)
            return false;
        struct product p = {};
        p.m = m, p.n = n, p.k = k;
        p.tb = there->transposed;
        p.alpha = 1, p.beta = adds ? 1.0f : 0.0f;
        p.a = a, p.b = there->w, p.y = end.kept ? end.kept : end.y;
        p.add = adds ? end.residual : static_cast<const Y *>(p.y);
        p.bias = bias();
        p.lda = lda, p.ldb = there->ldw, p.ldy = end.kept ? n : (int)end.ldy;
        p.ld_add = adds ? n : p.ldy;
        p.halves_in = sizeof(A) < sizeof(float);
        p.halves_out = sizeof(Y) < sizeof(float);
        if (!by_library(c, &p, "cuda_gemm_packed"))
            return false;
        if (ends)
            finish(static_cast<const Y *>(p.y));
        return true;
    }
    /* 16 bytes at a time where that is possible. */
    void finish(const Y *from) const {
        enum { WIDE = 16 / sizeof(Y) };
        const size_t all = (size_t)m * (size_t)n;
        if (end.ldy == end.n && cuda_in_groups<WIDE>(all, end.y) &&
            cuda_in_groups<WIDE>(all, from) && cuda_in_groups<WIDE>(all, end.residual))
            each(c, all / WIDE, product_end<Y, WIDE>{end, from}, "cuda_gemm_packed");
        else
            each(c, all, product_end<Y, 1>{end, from}, "cuda_gemm_packed");
    }
    void run() const {
        struct cuda_queue *q = cuda_queue_of(c);
        const struct packed_matrix *there = q->blas ? blas_recall(q->blas, packed) : NULL;
        matrix<A> w = {reinterpret_cast<const A *>(packed), (size_t)n, 0};
        if (there && by_library_at(there))
            return;
        if (there)
            w = {static_cast<const A *>(there->w), (size_t)there->ldw, there->transposed};
        tiles(c, m, n, k, k, 1, packed_product<A, Y>{{a, (size_t)lda, 0}, w, end},
              "cuda_gemm_packed");
    }
};

} // namespace

void cuda_gemm(const struct kctx *c, int ta, int tb, int m, int n, int k, real alpha, const real *a,
               int lda, const real *b, int ldb, real beta, real *y, int ldy) {
    const int halves = c->halves != 0; /* of both factors */
    const struct product p = {m, n,    k, ta,  tb,  alpha, beta, a,      b,
                              y, NULL, y, lda, ldb, ldy,   ldy,  halves, 0};
    if (by_library(c, &p, __func__))
        return;
    if (halves)
        tiles(c, m, n, k, k, 1,
              plain<bfloat16>{{cuda_halves(a), (size_t)lda, ta},
                              {cuda_halves(b), (size_t)ldb, tb},
                              alpha,
                              beta,
                              y,
                              (size_t)ldy});
    else
        tiles(
            c, m, n, k, k, 1,
            plain<float>{{a, (size_t)lda, ta}, {b, (size_t)ldb, tb}, alpha, beta, y, (size_t)ldy});
}

size_t cuda_gemm_pack_size(int n, int k) {
    return (size_t)n * (size_t)k;
}

/* y = x, eight at a time. */
struct narrow_eight {
    enum { EIGHT = 8, FOUR = 4 };
    const float *x;
    bfloat16 *y;
    __device__ void operator()(size_t group) const {
        several<bfloat16, EIGHT> out;
        for (int half = 0; half < EIGHT; half += FOUR) {
            const several<float, FOUR> in = take<FOUR>(x + group * EIGHT + half);
            for (int k = 0; k < FOUR; k++)
                out.v[half + k] = in.v[k];
        }
        put<EIGHT>(y + group * EIGHT, out);
    }
};

/* rows of cols, stored ldw apart, without gaps and in 16 bits */
static void copy_halves(const struct kctx *c, int rows, int cols, const real *w, int ldw,
                        bfloat16 *to) {
    enum { EIGHT = narrow_eight::EIGHT };
    const char *where = "cuda_gemm_pack";
    const size_t all = (size_t)rows * (size_t)cols;
    if (ldw == cols && cuda_in_groups<EIGHT>(all, to) && cuda_in_groups<narrow_eight::FOUR>(all, w))
        each(c, all / EIGHT, narrow_eight{w, to}, where);
    else
        each(c, all, pack<bfloat16>{(size_t)cols, {w, (size_t)ldw, 0}, to}, where);
}

/* In 16 bits a copy is made, for the library in the order in which the weights lie, once for both
 * ways. */
static void pack_halves(const struct kctx *c, int tw, int n, int k, const real *w, int ldw,
                        const real *turned, bfloat16 *packed) {
    struct cuda_queue *q = cuda_queue_of(c);
    int rows = tw ? n : k, cols = tw ? k : n;
    const struct packed_matrix *other = q->blas && turned ? blas_recall(q->blas, turned) : NULL;
    const struct packed_matrix there = {packed, other ? other->w : packed, cols, tw};
    if (!q->blas || n <= 0 || k <= 0 || blas_remember(q->blas, &there))
        each(c, (size_t)n * (size_t)k, pack<bfloat16>{(size_t)n, {w, (size_t)ldw, tw}, packed},
             "cuda_gemm_pack");
    else if (!other)
        copy_halves(c, rows, cols, w, ldw, packed);
}

void cuda_gemm_pack(const struct kctx *c, int tw, int n, int k, const real *w, int ldw,
                    const real *turned, real *packed) {
    const struct packed_matrix there = {packed, w, ldw, tw};
    struct cuda_queue *q = cuda_queue_of(c);
    if (c->halves)
        pack_halves(c, tw, n, k, w, ldw, turned, cuda_halves(packed));
    else if (!q->blas || n <= 0 || k <= 0 || blas_remember(q->blas, &there))
        each(c, (size_t)n * (size_t)k, pack<float>{(size_t)n, {w, (size_t)ldw, tw}, packed});
}

/* Of 16 bits are none, both factors, or both and all that is as large as the result. */
void cuda_gemm_packed(const struct kctx *c, int m, int n, int k, const real *a, int lda,
                      const real *packed, const real *bias, enum activation act, real *kept,
                      const real *residual, real *y, int ldy) {
    enum { Y = 5 };
    const ending<float> end = {(size_t)n, (size_t)ldy, bias, act, kept, residual, y};
    if (cuda_is_half(c, Y))
        packed_call<bfloat16, bfloat16>{
            c,
            m,
            n,
            k,
            cuda_halves(a),
            lda,
            packed,
            {end.n, end.ldy, bias, act, cuda_halves(kept), cuda_halves(residual), cuda_halves(y)}}
            .run();
    else if (c->halves)
        packed_call<bfloat16, float>{c, m, n, k, cuda_halves(a), lda, packed, end}.run();
    else
        packed_call<float, float>{c, m, n, k, a, lda, packed, end}.run();
}
