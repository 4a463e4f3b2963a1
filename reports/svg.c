#include "reports/svg_internal.h"

#include "core/file.h"

#include <string.h>

int svg_keep_pixels(const char *path, struct error *err) {
    static const char mark[] = "<image ";
    static const char style[] = "<image style='image-rendering:optimizeSpeed;"
                                "image-rendering:pixelated' "; /* older viewers know the first */
    struct arena a = {0};
    char *text;
    size_t bytes, n = 0;
    int status = 0;
    TRY(file_read(path, &a, &text, &bytes, err));
    for (const char *at = text; (at = strstr(at, mark)); at += sizeof mark - 1)
        n++;
    if (!n)
        goto out;
    char *longer = arena_alloc(&a, bytes + n * sizeof style + 1), *to = longer;
    for (const char *from = text, *at;; from = at + sizeof mark - 1) {
        at = strstr(from, mark);
        size_t until = at ? (size_t)(at - from) : strlen(from);
        memcpy(to, from, until);
        to += until;
        if (!at)
            break;
        memcpy(to, style, sizeof style - 1);
        to += sizeof style - 1;
    }
    status = file_write_atomic(path, longer, (size_t)(to - longer), err);
out:
    arena_free(&a);
    return status;
}
