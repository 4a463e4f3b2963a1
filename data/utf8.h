/* utf8.h -- is a text UTF-8? */
#ifndef SSV_DATA_UTF8_H
#define SSV_DATA_UTF8_H

#include <stddef.h>
#include <string.h>

#include <utf8proc.h>

/* The number of good bytes before the first one that is no UTF-8. */
static inline size_t utf8_length(const char *text, size_t n) {
    size_t at = 0;
    while (at < n) {
        utf8proc_int32_t ignored;
        utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                 (utf8proc_ssize_t)(n - at), &ignored);
        if (step <= 0)
            break;
        at += (size_t)step;
    }
    return at;
}

static inline int is_utf8(const char *text) {
    return !text[utf8_length(text, strlen(text))];
}

#endif
