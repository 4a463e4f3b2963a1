/* jpeg_files.h -- small JPEG files for the tests of data/. */
#ifndef SSV_TESTS_JPEG_FILES_H
#define SSV_TESTS_JPEG_FILES_H

#include "tests/data_files.h"
#include "tests/image_files.h"

/* A picture that JPEG keeps: it changes slowly.  Different for each number. */
static inline int smooth(int number, int y, int x, int channel) {
    return 128 + (number * 37 + channel * 50) % 101 - 50 + (y - x) / 2 % 30;
}

static inline uint8_t *get_file(struct place *here, const char *name, size_t *bytes) {
    char *data;
    struct error err = {0};
    assert_int_equal(file_read(in(here, name), &here->arena, &data, bytes, &err), 0);
    return (uint8_t *)data;
}

/* 1 channel: grey, 3: RGB, 4: CMYK.  Returns the bytes of the file. */
static inline size_t put_jpeg(struct place *here, const char *name, int height, int width,
                              int channels, int quality, int number) {
    static const struct jpeg_kind kinds[] = {[1] = {1, JCS_GRAYSCALE, 1, 1, JPEG_BASELINE, 0},
                                             [3] = {3, JCS_YCbCr, 2, 2, JPEG_BASELINE, 0},
                                             [4] = {4, JCS_CMYK, 1, 1, JPEG_BASELINE, 0}};
    uint8_t *pixels = arena_alloc(&here->arena, (size_t)height * (size_t)width * (size_t)channels);
    struct jpeg_kind kind = kinds[channels];
    kind.quality = quality;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                pixels[(y * width + x) * channels + c] = (uint8_t)smooth(number, y, x, c);
    struct file_bytes f = make_jpeg(&here->arena, kind, height, width, pixels);
    put(here, name, f.data, f.n);
    return f.n;
}

#endif
