/* jpeg_files.h -- small JPEG files for the tests of data/, by libjpeg. */
#ifndef SSV_TESTS_JPEG_FILES_H
#define SSV_TESTS_JPEG_FILES_H

#include "tests/data_files.h"

#include <jpeglib.h>

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
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr manager;
    unsigned char *out = NULL;
    unsigned long bytes = 0;
    uint8_t *row = arena_alloc(&here->arena, (size_t)width * (size_t)channels);
    info.err = jpeg_std_error(&manager);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &out, &bytes);
    info.image_height = (JDIMENSION)height;
    info.image_width = (JDIMENSION)width;
    info.input_components = channels;
    info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                row[x * channels + c] = (uint8_t)smooth(number, y, x, c);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    put(here, name, out, bytes);
    free(out);
    return bytes;
}

#endif
