/* scatter.cu -- what rows that were picked by index gain.  D: how dy is stored, X: dx. */
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/team.cuh"

namespace {

/* What rows gain that were picked, in the order of the picks: dx[row] += weight * dy[pick / taps].
 * A warp looks for the picks of one row, and adds a stretch of its columns in registers. */
template <class D, class X> struct scatter {
    enum { EACH = 4, STRETCH = EACH * CUDA_WARP }; /* of picks as of columns */
    size_t rows_in, picks, taps, cols, index_stride;
    const int32_t *index;
    const float *weight; /* NULL: 1 */
    const D *dy;
    int acc;
    X *dx;
    __device__ void operator()(size_t item, int lane) const {
        size_t parts = (cols + STRETCH - 1) / STRETCH, row = cuda_quotient(item, parts);
        const size_t image = cuda_quotient(row, rows_in);
        const int32_t *picked = index + image * index_stride;
        const int to = (int)(row - image * rows_in);
        const int first = (int)(item - row * parts) * STRETCH + lane;
        float sum[EACH] = {0};
        bool any = !acc; /* something to write */
        for (size_t k0 = 0; k0 < picks; k0 += STRETCH) {
            int there[EACH];
#pragma unroll
            for (int q = 0; q < EACH; q++) {
                size_t k = k0 + (size_t)(q * CUDA_WARP + lane);
                there[q] = k < picks ? picked[k] : -1;
            }
#pragma unroll
            for (int q = 0; q < EACH; q++) {
                unsigned same = __ballot_sync(cuda_all_lanes, there[q] == to);
                any |= same != 0;
                for (; same; same &= same - 1)
                    add(image, k0 + (size_t)(q * CUDA_WARP + __ffs((int)same) - 1), first, sum);
            }
        }
        for (int q = 0, e = first; any && q < EACH && e < (int)cols; q++, e += CUDA_WARP) {
            X *own = dx + row * cols + (size_t)e;
            *own = acc ? *own + sum[q] : sum[q];
        }
    }
    __device__ void add(size_t image, size_t pick, int first, float *sum) const {
        const D *from = dy + cuda_quotient(image * picks + pick, taps) * cols;
        float w = weight ? weight[pick] : 1;
#pragma unroll
        for (int q = 0; q < EACH; q++)
            if (first + q * CUDA_WARP < (int)cols)
                sum[q] += w * from[first + q * CUDA_WARP];
    }
};

/* Where many picks fall on a table, a row may be that of most of them.  They are sorted by row, and
 * those of a row are next to each other: few by a warp, more by a block. */
struct sorted_pick {
    int pick, rank, many; /* rank: among those of the row, of which there are many */
};

enum { FEW_PICKS = 64 };

/* Each pick counts those that belong before it. */
struct sort_picks {
    int picks;
    const int32_t *index;
    sorted_pick *sorted;
    __device__ void operator()(size_t pick, int lane) const {
        const int own = index[pick];
        int smaller = 0, before = 0, behind = 0;
#pragma unroll 8
        for (int j = lane; j < picks; j += CUDA_WARP) {
            int other = index[j];
            smaller += other < own;
            before += other == own && j < (int)pick;
            behind += other == own && j >= (int)pick;
        }
        smaller = warp_sum(smaller);
        before = warp_sum(before);
        behind = warp_sum(behind);
        if (!lane)
            sorted[smaller + before] = {(int)pick, before, before + behind};
    }
};

/* Of one image; a negative index is no row. */
template <class D, class X> struct row_gains {
    int cols;
    const int32_t *index;
    const sorted_pick *sorted;
    const D *dy;
    X *dx;
    __device__ float slope(int place, int col) const {
        return dy[(size_t)sorted[place].pick * (size_t)cols + (size_t)col];
    }
    __device__ X *gains(const sorted_pick &s) const {
        return dx + (size_t)index[s.pick] * (size_t)cols;
    }
};

/* A warp for each pick and stretch of columns, which works for the first of a row. */
template <class D, class X> struct add_few {
    enum { EACH = 4, STRETCH = EACH * CUDA_WARP }; /* columns */
    row_gains<D, X> r;
    __device__ void operator()(size_t item, int lane) const {
        int parts = (r.cols + STRETCH - 1) / STRETCH, place = (int)(item / (size_t)parts);
        const int first = (int)(item % (size_t)parts) * STRETCH + lane;
        const sorted_pick s = r.sorted[place];
        if (s.rank || s.many > FEW_PICKS || r.index[s.pick] < 0)
            return;
        float sum[EACH] = {0};
#pragma unroll 4
        for (int k = 0; k < s.many; k++)
            for (int q = 0, e = first; q < EACH; q++, e += CUDA_WARP)
                if (e < r.cols)
                    sum[q] += r.slope(place + k, e);
        for (int q = 0, e = first; q < EACH && e < r.cols; q++, e += CUDA_WARP)
            r.gains(s)[e] = r.gains(s)[e] + sum[q];
    }
};

/* A block for each FEW_PICKS-th pick, which works for the first of those that fall on a row. */
template <class D, class X> struct add_many {
    row_gains<D, X> r;
    __device__ void operator()(size_t item, int col, const strip_team &team) const {
        const int place = (int)item * FEW_PICKS;
        const sorted_pick s = r.sorted[place];
        if (s.rank >= FEW_PICKS || s.many <= FEW_PICKS || r.index[s.pick] < 0)
            return;
        float sum = 0;
        TEAM_EACH(k, team, s.many) {
            sum += r.slope(place - s.rank + k, col);
        }
        sum = team.total(sum);
        if (!team.rank)
            r.gains(s)[col] = r.gains(s)[col] + sum;
    }
};

template <class D> struct fill_gradient {
    size_t rows_out, cols, index_stride;
    const D *dy;
    const int32_t *index;
    float *dfill;
    __device__ void operator()(size_t row, int col, float *v) const {
        const size_t image = cuda_quotient(row, rows_out);
        if (index[image * index_stride + row - image * rows_out] < 0)
            v[0] += dy[row * cols + (size_t)col];
    }
    __device__ void finish(int col, const float *v) const {
        dfill[col] += v[0];
    }
};

template <class D, class X>
void scatter_all(const struct kctx *c, size_t images, const scatter<D, X> &s, FROM_CALLER) {
    const size_t stretch = s.STRETCH;
    rows(c, images * s.rows_in * ((s.cols + stretch - 1) / stretch), s, where);
}

/* Whether sorting pays, and fits.  The same for any number of images. */
bool many_picks(int picks, int acc) {
    enum { MANY = 1024 };
    return acc && picks >= MANY &&
           (size_t)picks * sizeof(sorted_pick) <= sizeof(float) * KERNEL_WORKSPACE;
}

/* Of one image. */
template <class D, class X>
void add_sorted(const struct kctx *c, int picks, int cols, const int32_t *index, const D *dy, X *dx,
                const char *where) {
    sorted_pick *sorted = reinterpret_cast<sorted_pick *>(c->workspace);
    const row_gains<D, X> r = {cols, index, sorted, dy, dx};
    const size_t stretch = add_few<D, X>::STRETCH, parts = ((size_t)cols + stretch - 1) / stretch;
    rows(c, (size_t)picks, sort_picks{picks, index, sorted}, where);
    rows(c, (size_t)picks * parts, add_few<D, X>{r}, where);
    strips(c, ((size_t)picks + FEW_PICKS - 1) / FEW_PICKS, cols, STRIP_MOST, add_many<D, X>{r},
           where);
}

/* Of n images. */
template <class D, class X>
void gather_slope(const struct kctx *c, int n, const scatter<D, X> &s, float *dfill) {
    const char *where = "cuda_gather_backward";
    const int picks = (int)s.picks, cols = (int)s.cols;
    const bool sorts = many_picks(picks, s.acc);
    for (size_t i = 0; s.dx && sorts && i < (size_t)n; i++)
        add_sorted(c, picks, cols, s.index + i * s.index_stride, s.dy + i * s.picks * s.cols,
                   s.dx + i * s.rows_in * s.cols, where);
    if (s.dx && !sorts)
        scatter_all(c, (size_t)n, s, where);
    if (dfill)
        columns<1>(c, n * picks, cols, 0,
                   fill_gradient<D>{s.picks, s.cols, s.index_stride, s.dy, s.index, dfill}, where);
}

} // namespace

void cuda_gather_backward(const struct kctx *c, int n, int rows_in, int rows_out, int cols,
                          const real *dy, const int32_t *index, int index_stride, int acc, real *dx,
                          real *dfill) {
    enum { DY = 1 << 0, DX = 1 << 2 };
    const size_t in = (size_t)rows_in, picks = (size_t)rows_out, width = (size_t)cols;
    const size_t stride = (size_t)index_stride;
    if (!c->halves)
        gather_slope<float, float>(c, n, {in, picks, 1, width, stride, index, NULL, dy, acc, dx},
                                   dfill);
    else if (c->halves == DX)
        gather_slope<float, bfloat16>(
            c, n, {in, picks, 1, width, stride, index, NULL, dy, acc, cuda_halves(dx)}, dfill);
    else if (c->halves == (DY | DX))
        gather_slope<bfloat16, bfloat16>(
            c, n, {in, picks, 1, width, stride, index, NULL, cuda_halves(dy), acc, cuda_halves(dx)},
            dfill);
    else
        cuda_no_halves(c, __func__);
}

void cuda_combine_rows_backward(const struct kctx *c, int n, int taps, int rows, int cols,
                                const int32_t *row, const real *weight, const real *dy, real *dx) {
    scatter_all(c, 1,
                scatter<float, float>{(size_t)rows, (size_t)n * (size_t)taps, (size_t)taps,
                                      (size_t)cols, 0, row, weight, dy, 1, dx});
}
