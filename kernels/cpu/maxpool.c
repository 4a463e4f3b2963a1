/* maxpool.c -- a vector of channels at a time.  The gradient is collected by each input from the
 * windows that see it, so that it is written once. */
#include "kernels/cpu/cpu.h"

#include <math.h>

typedef int32_t ivec_unaligned __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));

static ivec index_load_first(const int32_t *p, size_t n) {
    if (n >= VEC_WIDTH)
        return *(const ivec_unaligned *)p;
    int32_t lane[VEC_WIDTH] = {0};
    memcpy(lane, p, n * sizeof *p);
    return *(const ivec_unaligned *)lane;
}

static void index_store_first(int32_t *p, size_t n, ivec v) {
    memcpy(p, &v, n < VEC_WIDTH ? n * sizeof *p : sizeof v);
}

struct range {
    int first, end;
};

static struct range clip(int first, int end, int limit) {
    return (struct range){first < 0 ? 0 : first, end < limit ? end : limit};
}

/* One window of an image x (h,w,ch). */
static void largest(const float *x, int w, int ch, struct range rows, struct range columns,
                    float *y, int32_t *arg) {
    size_t width = (size_t)ch;
    for (size_t e = 0; e < width; e += VEC_WIDTH) {
        vec best = vec_set(-INFINITY);
        ivec where = (ivec){0} + (rows.first * w + columns.first);
        for (int iy = rows.first; iy < rows.end; iy++)
            for (int ix = columns.first; ix < columns.end; ix++) {
                int at = iy * w + ix;
                vec v = vec_load_first(x + (size_t)at * width + e, width - e);
                ivec wins = (v > best) | (v != v); /* a NaN does */
                best = vec_select(wins, v, best);
                where = (wins & at) | (~wins & where);
            }
        vec_store_first(y + e, width - e, best);
        index_store_first(arg + e, width - e, where);
    }
}

void ISA_NAME(maxpool_forward)(const struct kctx *c, int n, int h, int w, int ch, int k, int stride,
                               int pad, const float *x, float *y, int32_t *arg) {
    (void)c;
    int oh = window_count(h, k, stride, pad), ow = window_count(w, k, stride, pad);
    for (int i = 0; i < n; i++, x += (size_t)h * (size_t)w * (size_t)ch)
        for (int oy = 0; oy < oh; oy++)
            for (int ox = 0; ox < ow; ox++, y += ch, arg += ch) {
                int top = oy * stride - pad, left = ox * stride - pad;
                largest(x, w, ch, clip(top, top + k, h), clip(left, left + k, w), y, arg);
            }
}

/* Windows that see number `at` of a row or column. */
static struct range windows_at(int at, int k, int stride, int pad, int windows) {
    int after = at + pad - k + stride; /* the first starts there or less than a stride before */
    return clip(after < 0 ? 0 : after / stride, (at + pad) / stride + 1, windows);
}

void ISA_NAME(maxpool_backward)(const struct kctx *c, int n, int h, int w, int ch, int k,
                                int stride, int pad, const float *dy, const int32_t *arg, int acc,
                                float *dx) {
    (void)c;
    int oh = window_count(h, k, stride, pad), ow = window_count(w, k, stride, pad);
    size_t width = (size_t)ch;
    for (int i = 0; i < n * h * w; i++, dx += width) {
        int at = i % (h * w);
        size_t image = (size_t)(i / (h * w)) * (size_t)oh * (size_t)ow;
        struct range rows = windows_at(at / w, k, stride, pad, oh);
        struct range columns = windows_at(at % w, k, stride, pad, ow);
        for (size_t e = 0; e < width; e += VEC_WIDTH) {
            vec sum = acc ? vec_load_first(dx + e, width - e) : vec_set(0);
            for (int oy = rows.first; oy < rows.end; oy++)
                for (int ox = columns.first; ox < columns.end; ox++) {
                    size_t from = (image + (size_t)(oy * ow + ox)) * width + e;
                    ivec here = index_load_first(arg + from, width - e) == at;
                    sum += (vec)(here & (ivec)vec_load_first(dy + from, width - e));
                }
            vec_store_first(dx + e, width - e, sum);
        }
    }
}
