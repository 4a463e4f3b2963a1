/* lab.c -- sRGB (IEC 61966-2-1:1999) and CIE 1976 L*a*b* (CIE 15:2004, section 8.2.1).
 *
 * The powers are made of inverse roots z = x^(-1/n), found from the bits of x by two steps of third
 * order; everything is additions and multiplications that compilers turn into vector code.
 * Relative errors of the powers are below 1e-6, errors in Lab below 3e-4.
 */
#include "data/lab.h"

#include "data/view_internal.h"

#include <string.h>

enum { BLOCK = 256 }; /* pixels converted together */

struct block {
    float x[3][BLOCK];
};

/* Linear sRGB to XYZ / white, from the primaries (.64,.33), (.30,.60), (.15,.06) and white D65,
 * XYZ = (.95047, 1, 1.08883): each row sums to 1.  And its inverse. */
static const float to_xyz[3][3] = {{0.4339499817F, 0.3762097464F, 0.1898402719F},
                                   {0.2126728514F, 0.7151521553F, 0.0721749933F},
                                   {0.0177565787F, 0.1094679848F, 0.8727754365F}};
static const float from_xyz[3][3] = {{3.0799544675F, -1.5371385128F, -0.5428159547F},
                                     {-0.9212582840F, 1.8760108454F, 0.0452474386F},
                                     {0.0528874118F, -0.2040259135F, 1.1511385017F}};

/* CIE's constants as fractions: f is linear below (6/29)^3 with slope 1/3 (29/6)^2. */
#define LAB_KNEE (216 / 24389.0F)
#define LAB_SLOPE (841 / 108.0F)
#define LAB_OFFSET (4 / 29.0F)

/* x^(-1/n), x > 0.  The logarithm of a float is nearly its bits: first = (1 + 1/n) 127 2^23 less
 * what makes the largest error least, 4 % of z.  Then, h = 1 - x z^n, z (1 - h)^(-1/n) up to h^2.
 */
static inline float inverse_root(float x, int n, float first) {
    union {
        float f;
        int32_t i;
    } z = {x};
    z.i = (int32_t)(first - (float)z.i * (1.0F / (float)n));
    for (int step = 0; step < 2; step++) {
        float z2 = z.f * z.f;
        float power = n == 3 ? z2 * z.f : n == 4 ? z2 * z2 : z2 * z2 * z.f, h = 1 - x * power;
        z.f *= 1 + h * (1.0F / (float)n + h * ((float)(n + 1) / (float)(2 * n * n)));
    }
    return z.f;
}

#define FIRST_3 1419900529.0F
#define FIRST_4 1331171426.0F
#define FIRST_5 1277903766.0F

static inline float cube_root(float x) {
    float z = inverse_root(x, 3, FIRST_3);
    return x * z * z;
}

/* sRGB's transfer function: ((x + .055) / 1.055)^2.4, linear near 0. */
static inline float linear_of(float x) {
    float y = (x + 0.055F) * (1 / 1.055F), z = y * inverse_root(y, 5, FIRST_5); /* y^(4/5) */
    float power = z * z * z;
    return x > 0.04045F ? power : x * (1 / 12.92F);
}

/* And back: x^(5/12) is the 5/4th power of the cube root. */
static inline float encoded_of(float x) {
    float c = cube_root(x > 0.0031308F ? x : 0.0031308F), z = inverse_root(c, 4, FIRST_4);
    float power = 1.055F * (c * c * z * z * z) - 0.055F;
    return x > 0.0031308F ? power : 12.92F * x;
}

static inline float lab_f(float t) {
    float root = cube_root(t > LAB_KNEE ? t : LAB_KNEE);
    return t > LAB_KNEE ? root : LAB_SLOPE * t + LAB_OFFSET;
}

static inline float lab_f_inverse(float f) {
    return f > 6 / 29.0F ? f * f * f : (f - LAB_OFFSET) * (1 / LAB_SLOPE);
}

static inline float row(const float m[3], float a, float b, float c) {
    return m[0] * a + m[1] * b + m[2] * c;
}

VECTOR_CLONES static void rgb_to_lab(struct block *p) {
    for (int i = 0; i < BLOCK; i++) {
        float r = linear_of(p->x[0][i]), g = linear_of(p->x[1][i]), b = linear_of(p->x[2][i]);
        float x = lab_f(row(to_xyz[0], r, g, b)), y = lab_f(row(to_xyz[1], r, g, b));
        float z = lab_f(row(to_xyz[2], r, g, b));
        p->x[0][i] = 116 * y - 16;
        p->x[1][i] = 500 * (x - y);
        p->x[2][i] = 200 * (y - z);
    }
}

VECTOR_CLONES static void lab_to_rgb(struct block *p) {
    for (int i = 0; i < BLOCK; i++) {
        float f = (p->x[0][i] + 16) * (1 / 116.0F);
        float x = lab_f_inverse(f + p->x[1][i] * (1 / 500.0F)), y = lab_f_inverse(f);
        float z = lab_f_inverse(f - p->x[2][i] * (1 / 200.0F));
        p->x[0][i] = clip(encoded_of(clip(row(from_xyz[0], x, y, z))));
        p->x[1][i] = clip(encoded_of(clip(row(from_xyz[1], x, y, z))));
        p->x[2][i] = clip(encoded_of(clip(row(from_xyz[2], x, y, z))));
    }
}

/* Block by block, so that input and output may be the same; what fills the last block is zero. */
static void convert(const float *in, size_t n, float *out, void (*block)(struct block *)) {
    struct block p = {0};
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t bytes = (n - begin < BLOCK ? n - begin : BLOCK) * sizeof *in;
        for (size_t c = 0; c < 3; c++)
            memcpy(p.x[c], in + c * n + begin, bytes);
        block(&p);
        for (size_t c = 0; c < 3; c++)
            memcpy(out + c * n + begin, p.x[c], bytes);
    }
}

void rgb_to_lab_image(const float *rgb, size_t n, float *lab) {
    convert(rgb, n, lab, rgb_to_lab);
}

void lab_to_rgb_image(const float *lab, size_t n, float *rgb) {
    convert(lab, n, rgb, lab_to_rgb);
}

void rgb8_to_lab_image(const uint8_t *pixels, size_t n, float *lab) {
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            lab[c * n + i] = (float)pixels[3 * i + c] * (1 / 255.0F);
    rgb_to_lab_image(lab, n, lab);
}
