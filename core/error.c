#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name from a hostile file may hold anything, also what commands a terminal. */
static void keep_to_one_line(char *message) {
    for (; *message; message++)
        if ((unsigned char)*message < ' ' || *message == 0x7f)
            *message = '?';
}

static void fill(struct error *err, int status, const char *format, va_list args) {
    err->status = status;
    err->no_room = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    keep_to_one_line(err->message);
}

int error_set(struct error *err, int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fill(err, status, format, args);
    va_end(args);
    return status;
}

int error_no_room(struct error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fill(err, STATUS_MACHINE, format, args);
    va_end(args);
    err->no_room = 1;
    return STATUS_MACHINE;
}

int error_prefix(struct error *err, const char *format, ...) {
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t left = n >= 0 && (size_t)n < sizeof old ? sizeof old - (size_t)n : 0;
    if (left > sizeof ": ")
        snprintf(err->message + n, left, ": %.*s", (int)(left - sizeof ": "), old);
    keep_to_one_line(err->message);
    return err->status;
}

_Noreturn void check_failed(const char *file, int line, const char *condition, const char *format,
                            ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: check failed: %s: ", file, line, condition);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}
