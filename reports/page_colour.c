/* Colours of figures in the dark scheme, by way of OKLab (Ottosson 2020), in which equal steps look
 * equal and hues stay when the lightness changes. */
#include "reports/page_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DARK_PAPER = 0x16181c }; /* of html_style.c */

struct oklab {
    double l, a, b;
};

int32_t colour_parse(const char *text, size_t n) {
    static const struct {
        const char *name;
        int32_t colour;
    } names[] = {{"black", 0x000000}, {"white", 0xffffff},     {"gray", 0x808080},
                 {"grey", 0x808080},  {"lightgrey", 0xd3d3d3}, {"red", 0xff0000}};
    char copy[40];
    int r, g, b;
    if (n >= sizeof copy)
        return -1;
    memcpy(copy, text, n);
    copy[n] = '\0';
    for (size_t i = 0; i < n; i++)
        copy[i] = (char)tolower((unsigned char)copy[i]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(copy, names[i].name))
            return names[i].colour;
    if (n == 7 && *copy == '#' && strspn(copy + 1, "0123456789abcdef") == 6)
        return (int32_t)strtol(copy + 1, NULL, 16);
    if (sscanf(copy, "rgb(%d,%d,%d)", &r, &g, &b) == 3 && (r | g | b) >> 8 == 0)
        return r << 16 | g << 8 | b;
    return -1;
}

static double linear(uint32_t byte) {
    const double x = byte / 255.0;
    return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

static struct oklab oklab_of(uint32_t colour) {
    const double r = linear(colour >> 16 & 255), g = linear(colour >> 8 & 255);
    const double b = linear(colour & 255);
    const double l = cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
    const double m = cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
    const double s = cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
    return (struct oklab){0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
                          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
                          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

/* 0 when the colour is none that a screen has. */
static int to_rgb(struct oklab c, uint32_t *colour) {
    const double l = pow(c.l + 0.3963377774 * c.a + 0.2158037573 * c.b, 3);
    const double m = pow(c.l - 0.1055613458 * c.a - 0.0638541728 * c.b, 3);
    const double s = pow(c.l - 0.0894841775 * c.a - 1.2914855480 * c.b, 3);
    const double rgb[] = {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
    const double slack = 1e-4;
    *colour = 0;
    for (int i = 0; i < 3; i++) {
        if (rgb[i] < -slack || rgb[i] > 1 + slack)
            return 0;
        const double x = fmin(fmax(rgb[i], 0), 1);
        const double v = x <= 0.0031308 ? 12.92 * x : 1.055 * pow(x, 1 / 2.4) - 0.055;
        *colour = *colour << 8 | (uint32_t)lround(255 * v);
    }
    return 1;
}

/* White is the paper, faint lines stay faint, text is as bright as it was dark. */
static double dark_of_grey(double l) {
    static const double at[][2] = {{0, 0.96}, {0.55, 0.70}, {1, 0.21}};
    const int part = l > at[1][0];
    const double t = (l - at[part][0]) / (at[part + 1][0] - at[part][0]);
    return at[part][1] + t * (at[part + 1][1] - at[part][1]);
}

uint32_t colour_dark(uint32_t colour, int of_marks) {
    const double faint = 0.02, vivid = 0.06;
    struct oklab c = oklab_of(colour);
    uint32_t dark;
    if (colour == 0xffffff)
        return DARK_PAPER;
    const double chroma = hypot(c.a, c.b);
    const double share = of_marks ? fmin(fmax((chroma - faint) / (vivid - faint), 0), 1) : 0;
    c.l = (1 - share) * dark_of_grey(c.l) + share * (0.58 + 0.3 * c.l);
    while (!to_rgb(c, &dark)) {
        c.a *= 0.95;
        c.b *= 0.95;
    }
    return dark;
}
