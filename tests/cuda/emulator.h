/* emulator.h -- how a test drives the emulator; for C. */
#ifndef SSV_TESTS_CUDA_EMULATOR_H
#define SSV_TESTS_CUDA_EMULATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In which order the threads of a block run, between two barriers. */
enum emulated_order { EMULATED_FORWARD, EMULATED_REVERSE, EMULATED_RANDOM, EMULATED_ORDERS };
void emulated_schedule(enum emulated_order order, unsigned seed);
unsigned long emulated_launches(void); /* so far */
size_t emulated_bytes(void);           /* of the device's memory, as they were asked for */
/* A stream's work is done when somebody waits for it; that of streams that do not block the first
 * ones so, too, or as soon as no event holds it back. */
enum emulated_copies { EMULATED_LATE, EMULATED_EARLY, EMULATED_COPIES };
void emulated_copying(enum emulated_copies when);
size_t emulated_pinned(void);            /* bytes that are registered now */
void emulated_most_pinned(size_t bytes); /* what can be */
/* Whether copies read memory that is not pinned when their stream comes to them, too, as on
 * machines where devices see all of it; else at once. */
void emulated_reads_pages(int does);
/* For stand-ins of libraries: work(a copy of self) with the device's memory at hand, when the
 * stream, a cudaStream_t, comes to it. */
void emulated_work(void *stream, void (*work)(void *), void *self, size_t bytes);
void emulated_go_on(void *stream); /* as far as it can, without waiting */
/* The stream does not go on before ready(self) says so. */
void emulated_hold(void *stream, int (*ready)(void *), void *self);

#ifdef __cplusplus
}
#endif

#endif
