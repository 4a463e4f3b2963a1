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
/* For stand-ins of libraries: work(self) with the device's memory at hand; of a copy of self when
 * it is captured for later. */
void emulated_work(void (*work)(void *), void *self, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
