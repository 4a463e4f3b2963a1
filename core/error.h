/* error.h -- the three tiers of things that go wrong.
 *
 * 1. A programmer's error: CHECK(condition, "format", ...) aborts with file and line.
 * 2. The world's error (file, option, memory, device): a function returns an int status, 0 or one
 *    of enum status, and fills a struct error with what, where and what to do.  TRY(call) stores
 *    the status in a local `int status` and jumps to the local label `out:` when it is not 0.
 * 3. An experiment's outcome (diverged, skipped) is a row in the results, never an error.
 *
 * A status is the program's exit code.
 */
#ifndef SSV_CORE_ERROR_H
#define SSV_CORE_ERROR_H

enum status {
    STATUS_OK = 0,
    STATUS_FINDING = 1,     /* a failed cell, a wrong kernel */
    STATUS_USAGE = 2,       /* wrong option, wrong or broken input */
    STATUS_MACHINE = 3,     /* disk, memory, device */
    STATUS_INTERRUPTED = 4, /* stopped on request; what exists is complete and resumable */
    STATUS_REGRESSION = 5,  /* something became slower */
};

struct error {
    int status;
    int no_room;        /* memory was refused: what needs less may go on */
    char message[1024]; /* one line: control characters that came in are question marks */
};

#ifdef __cplusplus /* kernels/cuda */
extern "C" {
#endif

/* Fills *err and returns status, so that `return error_set(err, STATUS_USAGE, ...)` reads well. */
int error_set(struct error *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for memory that is not there; STATUS_MACHINE. */
int error_no_room(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " in front of the message already in *err; returns its status. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void check_failed(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((noreturn, format(printf, 4, 5)));

#ifdef __cplusplus
}
#endif

#define CHECK(condition, ...)                                                                      \
    ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__))

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((status = (call)) != 0)                                                                \
            goto out;                                                                              \
    } while (0)

#endif
