#include "reports/colors_internal.h"

#include <math.h>

static int channel(int color, int k) {
    return color >> (16 - 8 * k) & 255;
}

int color_pack(const uint8_t rgb[3]) {
    return rgb[0] << 16 | rgb[1] << 8 | rgb[2];
}

int color_mix(int a, int b, double share) {
    int mixed = 0;
    for (int k = 0; k < 3; k++)
        mixed = mixed << 8 | (int)lround((1 - share) * channel(a, k) + share * channel(b, k));
    return mixed;
}

static double lightness(int color) {
    return 0.299 * channel(color, 0) + 0.587 * channel(color, 1) + 0.114 * channel(color, 2);
}

int color_grey(const uint8_t rgb[3]) {
    return (int)lround(lightness(color_pack(rgb))) * 0x010101;
}

int color_is_dark(int color) {
    return lightness(color) < 140;
}

int color_of_heat(double x) {
    /* between these, linear; as light as they are apart */
    static const int stops[] = {0x000000, 0x50127b, 0xb63679, 0xfb8861, 0xfcfdbf};
    enum { LAST = sizeof stops / sizeof *stops - 1 };
    x = x > 0 ? fmin(x, 1) * LAST : 0; /* not a number: 0 */
    int i = x < LAST ? (int)x : LAST - 1;
    return color_mix(stops[i], stops[i + 1], x - i);
}

int color_of_class(int class, int classes) {
    static const int apart[COLORS_APART] = {0xcc6677, 0x332288, 0x44aa99, 0x117733, 0xaa4499,
                                            0xddcc77, 0x882255, 0x88ccee, 0x999933, 0xee7733};
    const double darkest = 0.15, lightest = 0.9;
    if (classes <= COLORS_APART)
        return apart[class];
    return color_of_heat(darkest + (lightest - darkest) * class / (classes - 1));
}
