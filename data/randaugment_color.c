/* randaugment_color.c -- RandAugment's operations on colours, bit for bit those of PIL's ImageOps
 * and ImageEnhance. */
#include "data/randaugment_internal.h"

#include <string.h>

enum { VALUES = 256, MOST_CHANNELS = 4 };

static size_t area_of(const struct record *r) {
    return (size_t)r->height * (size_t)r->width;
}

static void look_up(const struct record *in, int channel, const uint8_t table[VALUES],
                    uint8_t *out) {
    size_t channels = (size_t)in->channels, n = area_of(in) * channels;
    for (size_t i = (size_t)channel; i < n; i += channels)
        out[i] = table[in->pixels[i]];
}

static void look_up_all(const struct record *in, const uint8_t table[VALUES], uint8_t *out) {
    for (int c = 0; c < in->channels; c++)
        look_up(in, c, table, out);
}

static void count(const struct record *in, int channel, long histogram[VALUES]) {
    size_t channels = (size_t)in->channels, n = area_of(in) * channels;
    memset(histogram, 0, VALUES * sizeof *histogram);
    for (size_t i = (size_t)channel; i < n; i += channels)
        histogram[in->pixels[i]]++;
}

static uint8_t to_byte(double x) {
    return (uint8_t)(x <= 0 ? 0 : x >= 255 ? 255 : x);
}

/* Each channel stretched from its smallest and largest value to 0 and 255. */
void randaugment_auto_contrast(const struct record *in, double argument, const uint8_t *fill,
                               uint8_t *out) {
    (void)argument, (void)fill;
    for (int c = 0; c < in->channels; c++) {
        long histogram[VALUES];
        uint8_t table[VALUES];
        int low = 0, high = VALUES - 1;
        count(in, c, histogram);
        while (!histogram[low])
            low++;
        while (!histogram[high])
            high--;
        double scale = high > low ? 255.0 / (high - low) : 1;
        double offset = high > low ? -low * scale : 0;
        for (int v = 0; v < VALUES; v++)
            table[v] = to_byte(v * scale + offset);
        look_up(in, c, table, out);
    }
}

/* Each channel's histogram flattened.  The last value in use does not count in the step. */
static void make_equalizing(const long histogram[VALUES], uint8_t table[VALUES]) {
    long total = 0, last = 0;
    for (int v = 0; v < VALUES; v++) {
        total += histogram[v];
        last = histogram[v] ? histogram[v] : last;
    }
    long step = (total - last) / 255, sum = step / 2;
    for (int v = 0; v < VALUES; v++) {
        long level = step ? sum / step : v;
        table[v] = (uint8_t)(level < 255 ? level : 255);
        sum += histogram[v];
    }
}

void randaugment_equalize(const struct record *in, double argument, const uint8_t *fill,
                          uint8_t *out) {
    (void)argument, (void)fill;
    for (int c = 0; c < in->channels; c++) {
        long histogram[VALUES];
        uint8_t table[VALUES];
        count(in, c, histogram);
        make_equalizing(histogram, table);
        look_up(in, c, table, out);
    }
}

void randaugment_solarize(const struct record *in, double argument, const uint8_t *fill,
                          uint8_t *out) {
    (void)fill;
    uint8_t table[VALUES];
    for (int v = 0; v < VALUES; v++)
        table[v] = (uint8_t)(v < argument ? v : 255 - v);
    look_up_all(in, table, out);
}

void randaugment_invert(const struct record *in, double argument, const uint8_t *fill,
                        uint8_t *out) {
    (void)argument;
    randaugment_solarize(in, 0, fill, out);
}

void randaugment_solarize_add(const struct record *in, double argument, const uint8_t *fill,
                              uint8_t *out) {
    (void)fill;
    uint8_t table[VALUES];
    for (int v = 0; v < VALUES; v++)
        table[v] = v < 128 ? to_byte(v + argument) : (uint8_t)v;
    look_up_all(in, table, out);
}

void randaugment_posterize(const struct record *in, double argument, const uint8_t *fill,
                           uint8_t *out) {
    (void)fill;
    uint8_t table[VALUES];
    unsigned mask = 0xff00u >> (int)argument & 0xffu;
    for (int v = 0; v < VALUES; v++)
        table[v] = (uint8_t)((unsigned)v & mask);
    look_up_all(in, table, out);
}

/* PIL blends in single precision and cuts. */
static uint8_t blend(int from, int to, float factor) {
    float x = (float)from + factor * (float)(to - from);
    return (uint8_t)(x <= 0 ? 0 : x >= 255 ? 255 : x);
}

/* BT.601 in 16 bits behind the point, as PIL converts to L. */
static int grey_of(const uint8_t *p, int channels) {
    if (channels == 3)
        return (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 0x8000) >> 16;
    int sum = 0;
    for (int c = 0; c < channels; c++)
        sum += p[c];
    return (2 * sum + channels) / (2 * channels);
}

void randaugment_color(const struct record *in, double argument, const uint8_t *fill,
                       uint8_t *out) {
    (void)fill;
    int channels = in->channels;
    const uint8_t *p = in->pixels;
    for (size_t i = 0; i < area_of(in); i++, p += channels, out += channels) {
        int grey = channels == 3 ? grey_of(p, channels) : 0;
        for (int c = 0; c < channels; c++)
            out[c] = channels == 3 ? blend(grey, p[c], (float)argument) : p[c];
    }
}

void randaugment_contrast(const struct record *in, double argument, const uint8_t *fill,
                          uint8_t *out) {
    (void)fill;
    size_t channels = (size_t)in->channels, area = area_of(in);
    double sum = 0;
    for (size_t i = 0; i < area; i++)
        sum += grey_of(in->pixels + i * channels, in->channels);
    int mean = (int)(sum / (double)area + 0.5);
    for (size_t i = 0; i < area * channels; i++)
        out[i] = blend(mean, in->pixels[i], (float)argument);
}

void randaugment_brightness(const struct record *in, double argument, const uint8_t *fill,
                            uint8_t *out) {
    (void)fill;
    size_t n = area_of(in) * (size_t)in->channels;
    for (size_t i = 0; i < n; i++)
        out[i] = blend(0, in->pixels[i], (float)argument);
}

/* (1 1 1; 1 5 1; 1 1 1) / 13, rounded; border pixels stay. */
static int smooth(const uint8_t *p, int channels, int stride) {
    int sum = 4 * *p;
    for (int y = -1; y <= 1; y++)
        for (int x = -1; x <= 1; x++)
            sum += p[y * stride + x * channels];
    return (2 * sum + 13) / 26;
}

void randaugment_sharpness(const struct record *in, double argument, const uint8_t *fill,
                           uint8_t *out) {
    (void)fill;
    int stride = in->width * in->channels;
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < in->width; x++)
            for (int c = 0; c < in->channels; c++) {
                int at = y * stride + x * in->channels + c, old = in->pixels[at];
                int border = !x || !y || x == in->width - 1 || y == in->height - 1;
                int soft = border ? old : smooth(in->pixels + at, in->channels, stride);
                out[at] = blend(soft, old, (float)argument);
            }
}
