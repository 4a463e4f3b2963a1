/* positions.c -- learned positions for another grid, as the code that each network comes from has
 * it. */
#include "weights/network.h"

#include <math.h>
#include <string.h>

enum { MOST_TAPS = 256 };

struct taps { /* of one output place, in one direction */
    int n, place[MOST_TAPS];
    double weight[MOST_TAPS];
};

/* Keys 1981. */
static double cubic(double x, double a) {
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Places beyond the border count as the last ones. */
static void plain_taps(double scale, int from, int i, struct taps *t) {
    double at = (i + 0.5) * scale - 0.5;
    int first = (int)floor(at) - 1;
    t->n = 4;
    for (int k = 0; k < t->n; k++) {
        int place = first + k;
        t->weight[k] = cubic(at - place, -0.75);
        t->place[k] = place < 0 ? 0 : place >= from ? from - 1 : place;
    }
}

/* Places beyond the border are left out, and the others' weights grow. */
static void wide_taps(int from, int to, int i, struct taps *t) {
    double scale = (double)from / to, wide = scale > 1 ? scale : 1, centre = (i + 0.5) * scale;
    int first = (int)(centre - 2 * wide + 0.5), end = (int)(centre + 2 * wide + 0.5);
    double total = 0;
    first = first < 0 ? 0 : first;
    end = end > from ? from : end;
    CHECK(end - first <= MOST_TAPS, "positions shrunk from %d to %d", from, to);
    t->n = end - first;
    for (int k = 0; k < t->n; k++) {
        t->place[k] = first + k;
        total += t->weight[k] = cubic((first + k - centre + 0.5) / wide, -0.5);
    }
    for (int k = 0; k < t->n; k++)
        t->weight[k] /= total;
}

static void find_taps(enum resampling how, int from, int to, int i, struct taps *t) {
    const double nudge = how == RESAMPLE_OFFSET ? 0.1 : 0;
    if (how == RESAMPLE_ANTIALIAS)
        wide_taps(from, to, i, t);
    else
        plain_taps(from / (to + nudge), from, i, t);
}

void resample_positions(enum resampling how, int rows, int cols, int dim, const float *in,
                        int to_rows, int to_cols, float *out) {
    size_t width = (size_t)dim;
    memcpy(out, in, width * sizeof *out);
    in += width;
    out += width;
    for (int y = 0; y < to_rows; y++)
        for (int x = 0; x < to_cols; x++, out += width) {
            struct taps down, across;
            find_taps(how, rows, to_rows, y, &down);
            find_taps(how, cols, to_cols, x, &across);
            for (size_t d = 0; d < width; d++) {
                double sum = 0;
                for (int i = 0; i < down.n; i++)
                    for (int j = 0; j < across.n; j++)
                        sum += down.weight[i] * across.weight[j] *
                               (double)
                                   in[(size_t)(down.place[i] * cols + across.place[j]) * width + d];
                out[d] = (float)sum;
            }
        }
}
