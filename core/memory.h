/* memory.h -- what this machine has left. */
#ifndef SSV_CORE_MEMORY_H
#define SSV_CORE_MEMORY_H

#include <stddef.h>

/* Bytes that new work can have without swapping, as the kernel estimates them, or that the control
 * groups of this process leave (a container, a batch system's job) where that is less; 0: unknown.
 */
size_t memory_available(void);
size_t memory_available_in(const char *root); /* of another tree than /: for tests */
/* "11.2 GiB", below one "3.4 MiB". */
struct memory_text {
    char text[24];
};
struct memory_text memory_text(double bytes);

#endif
