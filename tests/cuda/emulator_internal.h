/* emulator_internal.h -- what the emulator's files share: emulator.cpp has kernels and memory,
 * streams.cpp the order of work, devices.cpp what devices are. */
#ifndef SSV_TESTS_CUDA_EMULATOR_INTERNAL_H
#define SSV_TESTS_CUDA_EMULATOR_INTERNAL_H

#include "tests/cuda/cuda_runtime.h"

enum { EMULATED_MEMORY = 1 << 28 };

[[noreturn]] void emulated_die(const char *what);

/* While there is one, the device's memory can be touched. */
struct emulated_working {
    emulated_working();
    ~emulated_working();
};

void emulated_work_now(void (*work)(void *), void *self);
/* Whether a capture ends without a graph, because something that it does not take, of this stream
 * or, as memory is, of none (NULL), was asked for meanwhile. */
bool emulated_spoils(cudaStream_t stream);
void emulated_finish(); /* all that was asked of any stream, as cudaFree does */

#endif
