/* randaugment_affine.c -- RandAugment's rotation, shears and translations, as PIL transforms with
 * Resampling.BICUBIC: an output pixel's centre is mapped into the source; within it, the cubic
 * kernel of Keys 1981 with a = -1 over the 4 x 4 pixels around, those at the border repeated; the
 * result is cut to 8 bits, not rounded; outside it is the fill colour. */
#include "data/randaugment_internal.h"

#include <math.h>

struct affine { /* x' = xx x + xy y + x0, y' = yx x + yy y + y0 */
    double xx, xy, x0, yx, yy, y0;
};

static int within(int i, int n) {
    return i < 0 ? 0 : i < n ? i : n - 1;
}

static double cubic(const double v[4], double d) {
    double first = v[2] - v[0], second = 2 * (v[0] - v[1]) + v[2] - v[3];
    double third = v[1] - v[0] - v[2] + v[3];
    return v[1] + d * (first + d * (second + d * third));
}

static void interpolate(const struct record *in, double x, double y, uint8_t *out) {
    int left = (int)floor(x - 0.5), top = (int)floor(y - 0.5);
    double dx = x - 0.5 - left, dy = y - 0.5 - top;
    for (int c = 0; c < in->channels; c++) {
        double column[4];
        for (int i = 0; i < 4; i++) {
            double row[4];
            int line = within(top - 1 + i, in->height) * in->width;
            for (int j = 0; j < 4; j++)
                row[j] = in->pixels[(line + within(left - 1 + j, in->width)) * in->channels + c];
            column[i] = cubic(row, dx);
        }
        double v = cubic(column, dy);
        out[c] = (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : v);
    }
}

static void transform(const struct record *in, const struct affine *a, const uint8_t *fill,
                      uint8_t *out) {
    for (int row = 0; row < in->height; row++)
        for (int col = 0; col < in->width; col++, out += in->channels) {
            double x = a->xx * (col + 0.5) + a->xy * (row + 0.5) + a->x0;
            double y = a->yx * (col + 0.5) + a->yy * (row + 0.5) + a->y0;
            if (x >= 0 && x < in->width && y >= 0 && y < in->height)
                interpolate(in, x, y, out);
            else
                for (int c = 0; c < in->channels; c++)
                    out[c] = fill[c];
        }
}

/* About the middle. */
void randaugment_rotate(const struct record *in, double argument, const uint8_t *fill,
                        uint8_t *out) {
    double angle = -argument * (3.14159265358979323846 / 180), s = sin(angle), c = cos(angle);
    double x = in->width / 2.0, y = in->height / 2.0;
    struct affine a = {c, s, x - c * x - s * y, -s, c, y + s * x - c * y};
    transform(in, &a, fill, out);
}

void randaugment_shear_x(const struct record *in, double argument, const uint8_t *fill,
                         uint8_t *out) {
    transform(in, &(struct affine){1, argument, 0, 0, 1, 0}, fill, out);
}

void randaugment_shear_y(const struct record *in, double argument, const uint8_t *fill,
                         uint8_t *out) {
    transform(in, &(struct affine){1, 0, 0, argument, 1, 0}, fill, out);
}

void randaugment_translate_x(const struct record *in, double argument, const uint8_t *fill,
                             uint8_t *out) {
    transform(in, &(struct affine){1, 0, argument * in->width, 0, 1, 0}, fill, out);
}

void randaugment_translate_y(const struct record *in, double argument, const uint8_t *fill,
                             uint8_t *out) {
    transform(in, &(struct affine){1, 0, 0, 0, 1, argument * in->height}, fill, out);
}
