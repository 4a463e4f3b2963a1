/* view_color.c -- colour steps on planar float images.
 *
 * What torchvision's functional transforms compute on float tensors, except that the grey level
 * has the three digits of BT.601 and of PIL (.299 for red, where torchvision's tensor code has
 * .2989), so that the weights sum to 1 and white stays white.
 */
#include "data/augment.h"
#include "data/view_internal.h"

#include <string.h>

static size_t plane_of(const struct image *image) {
    return (size_t)image->height * (size_t)image->width;
}

static int has_colour(const struct image *image) {
    return image->channels == 3;
}

static inline float grey_of(float r, float g, float b) {
    return 0.299F * r + 0.587F * g + 0.114F * b;
}

/* x (n) = clip(factor x + add) */
VECTOR_CLONES static void scale_and_clip(size_t n, float *restrict x, float factor, float add) {
    for (size_t i = 0; i < n; i++)
        x[i] = clip(factor * x[i] + add);
}

void image_brightness(const struct image *image, double factor) {
    scale_and_clip((size_t)image->channels * plane_of(image), image->pixels, (float)factor, 0);
}

/* Sum of x (n): 16 partial sums, in double after every 1024 elements; the order is part of the
 * result, and the same for every width of vector. */
VECTOR_CLONES static double plane_sum(size_t n, const float *restrict x) {
    enum { LANES = 16, BLOCK = 1024 };
    double total = 0;
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t end = begin + BLOCK < n ? begin + BLOCK : n, i = begin;
        float lane[LANES] = {0};
        for (; i + LANES <= end; i += LANES)
            for (size_t j = 0; j < LANES; j++)
                lane[j] += x[i + j];
        for (size_t j = 0; i + j < end; j++)
            lane[j] += x[i + j];
        for (size_t j = 0; j < LANES; j++)
            total += lane[j];
    }
    return total;
}

static double mean_grey(const struct image *image) {
    static const double colour[] = {0.299, 0.587, 0.114};
    size_t plane = plane_of(image);
    double mean = 0;
    for (int c = 0; c < image->channels; c++)
        mean += plane_sum(plane, image->pixels + (size_t)c * plane) / (double)plane *
                (has_colour(image) ? colour[c] : 1.0 / image->channels);
    return mean;
}

void image_contrast(const struct image *image, double factor) {
    scale_and_clip((size_t)image->channels * plane_of(image), image->pixels, (float)factor,
                   (float)((1 - factor) * mean_grey(image)));
}

/* rgb (3,n) */
VECTOR_CLONES static void saturate(size_t n, float *restrict red, float *restrict green,
                                   float *restrict blue, float factor) {
    for (size_t i = 0; i < n; i++) {
        float r = red[i], g = green[i], b = blue[i], add = (1 - factor) * grey_of(r, g, b);
        red[i] = clip(factor * r + add);
        green[i] = clip(factor * g + add);
        blue[i] = clip(factor * b + add);
    }
}

void image_saturation(const struct image *image, double factor) {
    size_t n = plane_of(image);
    float *x = image->pixels;
    if (has_colour(image))
        saturate(n, x, x + n, x + 2 * n, (float)factor);
}

VECTOR_CLONES static void grey(size_t n, float *restrict red, float *restrict green,
                               float *restrict blue) {
    for (size_t i = 0; i < n; i++)
        red[i] = green[i] = blue[i] = clip(grey_of(red[i], green[i], blue[i]));
}

void image_grey(const struct image *image) {
    size_t n = plane_of(image);
    float *x = image->pixels;
    if (has_colour(image))
        grey(n, x, x + n, x + 2 * n);
}

/* Smith 1978, "Color gamut transform pairs": the hue in sixths of a turn, 0 red, 2 green, 4 blue.
 * Value and chroma stay, so the way back needs the largest and the smallest channel only: a channel
 * is smallest + chroma times a trapezoid of the hue. */
VECTOR_CLONES static void turn_hue(size_t n, float *restrict red, float *restrict green,
                                   float *restrict blue, float sixths) {
    for (size_t i = 0; i < n; i++) {
        float r = red[i], g = green[i], b = blue[i];
        float most = r > g ? r : g, least = r < g ? r : g;
        most = most > b ? most : b;
        least = least < b ? least : b;
        float chroma = most - least, inverse = 1 / (chroma > 0 ? chroma : 1);
        float of_blue = 4 + (r - g) * inverse, of_green = 2 + (b - r) * inverse;
        float hue = most == g ? of_green : of_blue;
        hue = (most == r ? (g - b) * inverse : hue) + sixths;
        hue = hue < 0 ? hue + 6 : hue;
        hue = hue < 6 ? hue : hue - 6;
        red[i] = least + chroma * clip(__builtin_fabsf(hue - 3) - 1);
        green[i] = least + chroma * clip(2 - __builtin_fabsf(hue - 2));
        blue[i] = least + chroma * clip(2 - __builtin_fabsf(hue - 4));
    }
}

void image_hue(const struct image *image, double turns) {
    CHECK(turns >= -0.5 && turns <= 0.5, "hue turned by %g", turns);
    size_t n = plane_of(image);
    float *x = image->pixels;
    if (has_colour(image) && turns != 0)
        turn_hue(n, x, x + n, x + 2 * n, (float)(6 * turns));
}

void image_jitter(const struct image *image, const int32_t order[JITTER_OPERATIONS],
                  const double factor[JITTER_OPERATIONS]) {
    static void (*const apply[])(const struct image *, double) = {
        [JITTER_BRIGHTNESS] = image_brightness,
        [JITTER_CONTRAST] = image_contrast,
        [JITTER_SATURATION] = image_saturation,
        [JITTER_HUE] = image_hue,
    };
    for (int i = 0; i < JITTER_OPERATIONS; i++)
        apply[order[i]](image, factor[order[i]]);
}

VECTOR_CLONES static void invert_bright(size_t n, float *restrict x, float threshold) {
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] >= threshold ? 1 - x[i] : x[i];
}

void image_solarize(const struct image *image, double threshold) {
    invert_bright((size_t)image->channels * plane_of(image), image->pixels, (float)threshold);
}

VECTOR_CLONES static void normalize_plane(size_t n, float *restrict x, float mean, float inverse) {
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - mean) * inverse;
}

void image_normalize(const struct image *image, const struct normalization *norm) {
    size_t n = plane_of(image);
    for (int c = 0; c < image->channels; c++)
        normalize_plane(n, image->pixels + (size_t)c * n, (float)norm->mean[c],
                        (float)(1 / norm->std[c]));
}
