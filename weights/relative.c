/* relative.c -- BEiT's table of relative positions for another grid.
 *
 * Bao et al. 2022 (arXiv:2106.08254) stretch the table's offsets instead of spreading them evenly:
 * those of neighbours stay where they are, and the distance from one entry to the next grows by a
 * factor q, so that the last entry lies at the largest offset of the other grid.  Entries between
 * are interpolated linearly, which is timm's default; the authors' code has cubic splines of the
 * same knots.
 */
#include "weights/network.h"

#include <string.h>

enum { MOST_SIDE = 1024, CLS_ENTRIES = 3 };

struct knots {
    int n; /* entries in one direction: 2 side - 1 */
    double at[2 * MOST_SIDE];
};

/* 1 + q + ... + q^(terms - 1) */
static double geometric_sum(double q, int terms) {
    double power = 1;
    for (int i = 0; i < terms; i++)
        power *= q;
    return (1 - power) / (1 - q);
}

/* The factor by bisection in [1.01, 1.5] as the authors have it, whose bounds take effect when a
 * grid becomes smaller, or very much larger. */
static double find_factor(int steps, int farthest) {
    const double enough = 1e-6;
    double low = 1.01, high = 1.5, q = low;
    while (high - low > enough) {
        q = (low + high) / 2;
        if (geometric_sum(q, steps) > farthest)
            high = q;
        else
            low = q;
    }
    return q;
}

static void find_knots(int side, int to_side, struct knots *k) {
    const double q = find_factor(side - 1, to_side - 1);
    double at = 0, step = 1;
    CHECK(side >= 1 && side <= MOST_SIDE, "a grid of %d", side);
    k->n = 2 * side - 1;
    for (int i = 0; i < side; i++, at += step, step *= q) {
        k->at[side - 1 + i] = at;
        k->at[side - 1 - i] = -at;
    }
}

/* x = (1 - *share) at[i] + *share at[i + 1]; beyond the ends, the end. */
static int find_place(const struct knots *k, double x, double *share) {
    int i = 0;
    *share = 0;
    if (k->n == 1 || x <= k->at[0])
        return 0;
    while (i < k->n - 2 && x > k->at[i + 1])
        i++;
    *share = x >= k->at[i + 1] ? 1 : (x - k->at[i]) / (k->at[i + 1] - k->at[i]);
    return i;
}

/* Head h at (y,x) of in (rows of down, columns of across, heads). */
static float value_at(const struct knots *down, const struct knots *across, int heads, int h,
                      const float *in, double y, double x) {
    double share[2], sum = 0;
    int top = find_place(down, y, &share[0]), left = find_place(across, x, &share[1]);
    for (int i = 0; i < 4; i++) {
        double weight = (i / 2 ? share[0] : 1 - share[0]) * (i % 2 ? share[1] : 1 - share[1]);
        size_t at = (size_t)(top + i / 2) * (size_t)across->n + (size_t)(left + i % 2);
        if (weight > 0)
            sum += weight * (double)in[at * (size_t)heads + (size_t)h];
    }
    return (float)sum;
}

void resample_relative(int rows, int cols, int heads, const float *in, int to_rows, int to_cols,
                       float *out) {
    const int entries = relative_entries(rows, cols);
    struct knots down, across;
    find_knots(rows, to_rows, &down);
    find_knots(cols, to_cols, &across);
    for (int h = 0; h < heads; h++) {
        for (int y = 1 - to_rows; y < to_rows; y++)
            for (int x = 1 - to_cols; x < to_cols; x++)
                *out++ = value_at(&down, &across, heads, h, in, y, x);
        for (int i = entries - CLS_ENTRIES; i < entries; i++)
            *out++ = in[(size_t)i * (size_t)heads + (size_t)h];
    }
}
